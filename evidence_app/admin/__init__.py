"""The screens of evidence."""

from evidence_app.admin.access_reviews import AccessReviewAdmin
from evidence_app.admin.copies import EvidenceCopyAdmin
from evidence_app.admin.questions import QuestioningTenantAdmin
from evidence_app.admin.requests import EvidencedRequestAdmin

__all__ = ["AccessReviewAdmin", "EvidenceCopyAdmin", "EvidencedRequestAdmin", "QuestioningTenantAdmin"]
