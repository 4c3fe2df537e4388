"""The questions that examiners ask, by name; each is answered within a period and what somebody may see."""

from __future__ import annotations

from typing import Final

from django.utils.translation import gettext as _

from core_app.errors import DomainError
from evidence_app.questions import of_access, of_provisioning, of_records, of_requests
from evidence_app.questions.question import Question

__all__ = ["QUESTIONS", "Question", "question_named"]

QUESTIONS: Final = (
    *of_requests.QUESTIONS,
    *of_provisioning.QUESTIONS,
    *of_access.QUESTIONS,
    *of_records.QUESTIONS,
)


def question_named(name: str) -> Question:
    """Return a question by its name.

    Raises:
        DomainError: there is none of that name; the text lists those that there are.
    """
    for question in QUESTIONS:
        if question.name == name:
            return question
    known = ", ".join(question.name for question in QUESTIONS)
    raise DomainError(_("%(name)s is no question; ask one of %(known)s.") % {"name": name, "known": known})
