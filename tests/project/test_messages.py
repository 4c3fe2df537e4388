"""What the program says to people can be translated; what it records is English, whoever causes it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import translation
from django.utils.translation import gettext_noop as noop

from accounts_app import services as accounts
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app import clock
from core_app.errors import DomainError, InvalidInputError
from core_app.recorded import recorded, shown, told
from evidence_app.answers import ask
from gates_app import delegations
from gates_app.levels import Outcome
from requests_app import services
from requests_app.choices import State, Zone
from requests_app.directory import Directory
from requests_app.intake.document import parse
from tests.catalogues import other_language, product_files, says  # noqa: F401 - a fixture
from tests.factories import People, decide, facts, make_people, make_request

SPOKEN = re.compile(r"⟦.+⟧", re.DOTALL)

# Where operators read English: commands, the demo, and what only commands call (docs/accessibility.md)
ENGLISH = re.compile(
    r"/management/|elm_project/(demo/|app_role|backups|restore_drill)|credentials/(console|registration)\.py"
)
# What these are given goes to the operators' stream; people read the words of the class
FOR_OPERATORS = frozenset({"NoAnswerError", "InvalidTokenError"})


def refusals() -> frozenset[str]:
    """Return the names of all errors that are shown to people as they are."""

    def below(error: type[Exception]) -> Iterator[str]:
        yield error.__name__
        for each in error.__subclasses__():
            yield from below(each)

    return (frozenset(below(DomainError)) | {"WrongValue", "StepFailedError", "AttemptFailedError"}) - FOR_OPERATORS


def untranslated(node: ast.AST) -> Iterator[str]:
    """Yield the texts within a call that no gettext is handed."""
    if says(node):
        return
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        text = ast.unparse(node)
        if re.search(r"[A-Za-z] [a-z]", text):
            yield text
        return
    for child in ast.iter_child_nodes(node):
        yield from untranslated(child)


def test_no_refusal_is_said_past_gettext() -> None:
    shown_to_people, found = refusals(), []
    for path in product_files():
        if ENGLISH.search(str(path)):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in shown_to_people:
                found += [f"{path.name}:{node.lineno} {text}" for each in node.args for text in untranslated(each)]
    assert found == []


@pytest.fixture
def people(db: None) -> People:
    return make_people()


def said(refused: DomainError) -> list[str]:
    return [what for _, what in refused.problems] if isinstance(refused, InvalidInputError) else [str(refused)]


def test_refusals_of_every_app_are_said_in_the_language_at_work(people: People, other_language: str) -> None:  # noqa: F811 - the fixture
    draft = make_request(State.DRAFT, people=people, zone=Zone.ZONE_3)
    waiting = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    incomplete = services.create_draft(
        by=people.requester, **{**facts(Zone.ZONE_3), "security_group_id": "", "zone_rationale": " "}
    )
    now, lead = clock.now(), people.governance_lead
    terms = delegations.Terms(now, now + timedelta(days=400), " ")
    refused = {
        "submit": lambda: services.submit(incomplete.pk, by=people.requester, directory=Directory()),
        "submit for another": lambda: services.submit(draft.pk, by=people.approver, directory=Directory()),
        "decide on one's own": lambda: decide(waiting, people.requester),
        "stale": lambda: services.decide(
            waiting.pk, by=people.approver, outcome=Outcome.APPROVE, comment="", content_hash="of something else"
        ),
        "dispute": lambda: services.dispute_zone(draft.pk, by=people.requester, wanted=Zone.ZONE_3, rationale=" "),
        "hold": lambda: services.place_hold(draft.pk, matter=" ", reason=" ", by=people.compliance_officer),
        "settings": lambda: accounts.propose_settings(
            people.tenant.pk, by=lead, values={"poll_limit": -1, "teams_webhook_secret": "a b", "colour": "red"}
        ),
        "delegate": lambda: delegations.delegate(people.approver, people.requester, terms, by=people.approver),
        "question": lambda: ask(people.tenant.pk, "what_is_the_weather", "all", by=people.auditor, at_most=1),
        "payload": lambda: parse(b'{"a": NaN, "a": 12345678901234567}'),
    }
    for name, verb in refused.items():
        with translation.override(other_language), pytest.raises(DomainError) as error:
            verb()
        with translation.override(other_language):
            unsaid = [what for what in said(error.value) if not SPOKEN.fullmatch(str(what))]
        assert unsaid == [], name


def test_the_log_has_a_refusal_in_english(people: People, other_language: str) -> None:  # noqa: F811 - the fixture
    """In whatever language who was refused works: the entry is hashed, and compared with others."""
    request = make_request(State.PENDING_APPROVAL, people=people, zone=Zone.ZONE_3)
    with translation.override(other_language), pytest.raises(DomainError) as refused:
        decide(request, people.requester)
    with translation.override(other_language):
        assert SPOKEN.fullmatch(str(refused.value))
    entry = ProvisioningLog.objects.filter(action=Action.DECISION_REFUSED).get()
    assert entry.error_message.startswith("You asked for this yourself")
    with translation.override(other_language):
        assert shown(entry.error_message) == f"⟦{entry.error_message}⟧"


def test_a_verb_records_the_same_in_every_language(people: People, other_language: str) -> None:  # noqa: F811 - the fixture
    """Except for what tells two requests apart; a worker speaks another language than who is signed in."""

    def lived() -> list[tuple[object, ...]]:
        request = make_request(State.FAILED, people=people, zone=Zone.ZONE_2)
        entries = request.log_entries.order_by("sequence")
        return [(each.action, each.error_message, sorted(each.action_details), each.to_state) for each in entries]

    plain = lived()
    with translation.override(other_language):
        assert lived() == plain


def test_a_recorded_sentence_is_found_again_with_its_values(other_language: str) -> None:  # noqa: F811 - the fixture
    waiting = noop("the new environment to become readable")
    timed_out = noop("PollTimeout: %(step)s did not finish in time; it was waiting for %(waiting)s.")
    sentence = timed_out % {"step": "Create", "waiting": waiting}
    assert shown(sentence) == sentence  # English has no catalogue
    with translation.override(other_language):
        assert shown(sentence) == (
            "⟦PollTimeout: ⟦Create⟧ did not finish in time; "
            "it was waiting for ⟦the new environment to become readable⟧.⟧"
        )
        assert shown("Typed by a person.") == "Typed by a person."
        assert shown("") == ""


def test_what_was_told_is_recorded_in_english(other_language: str) -> None:  # noqa: F811 - the fixture
    with translation.override(other_language):
        refused = told(noop("Roles in %(tenant)s are given and taken away by its %(lead)s."), tenant="A", lead="B")
        assert recorded(refused) == "Roles in A are given and taken away by its B."
