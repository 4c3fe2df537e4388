"""What requester and approvers say to each other about a request."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext as _

from accounts_app.models import User
from core_app.errors import DomainError
from core_app.ids import new_id
from requests_app.models.request import EnvironmentRequest


class RequestComment(models.Model):
    """One contribution to the thread of a request; never changed or deleted, which a trigger sees to as well."""

    class Kind(models.IntegerChoices):
        """What it does besides being read: a question stops the stage's clock, an answer starts it again."""

        COMMENT = 1, "Comment"
        QUESTION = 2, "Question"
        ANSWER = 3, "Answer"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(EnvironmentRequest, models.PROTECT, related_name="comments")
    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    kind = models.PositiveSmallIntegerField(choices=Kind.choices, default=Kind.COMMENT)
    text = models.TextField()
    written_at = models.DateTimeField()

    class Meta:
        ordering = ["written_at", "id"]
        default_permissions = ("view",)
        indexes = [models.Index(fields=["request", "written_at"], name="comments_by_request")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.author} on {self.request}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert a new comment; refuses to write an existing one again."""
        if not self._state.adding:
            _refuse()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: what was said stays."""
        _refuse()


def _refuse() -> NoReturn:
    raise DomainError(_("A comment is never changed or deleted; write another one."))
