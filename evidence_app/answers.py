"""Answers to examiners' questions: for a screen, as a file that somebody takes out, and in a package."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.utils.translation import gettext as _

from accounts_app.models import Tenant, User
from accounts_app.step_up import require_fresh_sign_in
from audit_app.actions import Action
from audit_app.actors import person
from audit_app.log import record
from core_app import tenancy
from core_app.errors import PermissionRefused
from core_app.recorded import as_recorded
from core_app.transactions import transactional
from evidence_app import spreadsheet
from evidence_app.contents import Row
from evidence_app.folder import LineFile, StagedFolder
from evidence_app.patience import OF_ANSWERS, require_patience
from evidence_app.permissions import require_auditor
from evidence_app.questions import QUESTIONS, Question, question_named
from evidence_app.selection import ALL, Selection, in_period
from evidence_app.snapshot import snapshot

ANSWERS: Final = "answers.ndjson"
_ANSWER: Final = "answer_"
QUESTIONS_ASKED: Final = "questions.json"
MOST_ANSWERS_AN_HOUR: Final = 100  # that one person takes out of one tenant


class Form(StrEnum):
    """In which form an answer is taken out."""

    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer on a screen.

    Attributes:
        question: What was asked.
        rows: The first rows.
        has_more: Whether there are more.
    """

    question: Question
    rows: list[Row]
    has_more: bool


def ask(tenant_id: UUID, name: str, period: str, *, by: User, at_most: int) -> Answer:
    """Answer a question within a period and what an auditor reaches.

    Args:
        tenant_id: About which tenant.
        name: Of the question.
        period: A quarter as in ``2026Q1``, or ``all``.
        by: An ELM Auditor.
        at_most: How many rows are wanted.

    Raises:
        PermissionRefused: the person does not audit the tenant, or not all of it where the question is about all of it.
        DomainError: no such question or period.
    """
    question = question_named(name)
    selection = _selected(tenant_id, question, period, by)
    rows = list(islice(question.answer(selection), at_most + 1))
    return Answer(question, rows[:at_most], len(rows) > at_most)


def take_out(tenant_id: UUID, name: str, period: str, form: Form, *, by: User) -> bytes:
    """Return an answer as a file; that somebody took it is an entry of the log, committed before they have it.

    Raises:
        SignInAgainError: their last sign-in is not recent.
        PermissionRefused, DomainError: as :func:`ask` says, or too many within an hour.
    """
    question = question_named(name)
    selection = _selected(tenant_id, question, period, by)
    require_fresh_sign_in(by, _("An export of evidence"))
    require_patience(selection.tenant, by, OF_ANSWERS, MOST_ANSWERS_AN_HOUR)
    content = io.BytesIO()
    file = LineFile(content)
    with snapshot(), as_recorded():
        _write(question, selection, file if form is Form.NDJSON else None, file if form is Form.CSV else None)
    _record(selection, question, form, file, by)
    return content.getvalue()


def questions_within(tenant: Tenant, *, by: User) -> list[Question]:
    """Return the questions about a tenant that a person gets an answer to.

    Raises:
        PermissionRefused: the person does not audit the tenant.
    """
    return list(questions_for(in_period(tenant, ALL, require_auditor(by, tenant))))


def questions_for(selection: Selection) -> Iterator[Question]:
    """Yield the questions that are answered within a selection."""
    for question in QUESTIONS:
        if selection.is_whole or not question.needs_whole_tenant:
            yield question


def write_answers(stage: StagedFolder, selection: Selection) -> dict[str, dict[str, Any]]:
    """Write every answer: all into one file as the record, each into one of its own as rendering.

    Returns:
        What the manifest says about the files.
    """
    files: dict[str, dict[str, Any]] = {}
    asked = []
    with stage.line_file(ANSWERS) as answers:
        for question in questions_for(selection):
            before = answers.lines
            with stage.line_file(rendering_of(question)) as rendering:
                _write(question, selection, answers, rendering)
            files[rendering_of(question)] = rendering.facts()
            asked.append({**_described(question), "rows": answers.lines - before})
    files[ANSWERS] = answers.facts()
    files[QUESTIONS_ASKED] = stage.write_document(QUESTIONS_ASKED, {"questions": asked})
    return files


def rendering_of(question: Question) -> str:
    """Return the name of the file that renders an answer."""
    return f"{_ANSWER}{question.name}.csv"


def is_answer(name: str) -> bool:
    """Say whether a file renders an answer."""
    return name.startswith(_ANSWER)


def _described(question: Question) -> dict[str, Any]:
    return {
        "name": question.name,
        "question": str(question.text),
        "answered_from": str(question.answered_from),
        "columns": list(question.columns),
        "as_of_now": question.is_of_now,
        "rendering": rendering_of(question),
    }


def _write(question: Question, selection: Selection, plain: LineFile | None, rendering: LineFile | None) -> None:
    if rendering:
        rendering.append(spreadsheet.head(question.columns))
    for row in question.answer(selection):
        if plain:
            plain.write({"question": question.name, **row})
        if rendering:
            rendering.append(spreadsheet.line([_cell(row[name]) for name in question.columns]))


def _cell(value: Any) -> Any:
    is_structured = isinstance(value, dict | list)
    return json.dumps(value, sort_keys=True, ensure_ascii=False) if is_structured else value


def _selected(tenant_id: UUID, question: Question, period: str, by: User) -> Selection:
    with tenancy.of(tenant_id):
        tenant = Tenant.objects.get(pk=tenant_id)
        reach = require_auditor(by, tenant)
        if question.needs_whole_tenant and tenant.pk not in reach.tenants:
            raise PermissionRefused(
                _("“%(text)s” is answered to who audits all of %(tenant)s.") % {"text": question.text, "tenant": tenant}
            )
        return in_period(tenant, period, reach)


@transactional
def _record(selection: Selection, question: Question, form: Form, file: LineFile, by: User) -> None:
    details = {
        "question": question.name,
        **selection.named,
        "scope": selection.scope,
        "form": form.value,
        "sha256": file.facts()["sha256"],
    }
    record(Action.EVIDENCE_EXPORTED, on=selection.tenant, by=person(by), details=details)
