"""The screens of evidence."""

from evidence_app.admin.access_reviews import AccessReviewAdmin, ReviewedTenantAdmin
from evidence_app.admin.exports import ExportingTenantAdmin

__all__ = ["AccessReviewAdmin", "ExportingTenantAdmin", "ReviewedTenantAdmin"]
