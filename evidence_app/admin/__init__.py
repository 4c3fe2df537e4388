"""The screens of evidence."""

from evidence_app.admin.access_reviews import AccessReviewAdmin, ReviewedTenantAdmin

__all__ = ["AccessReviewAdmin", "ReviewedTenantAdmin"]
