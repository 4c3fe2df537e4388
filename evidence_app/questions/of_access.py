"""Questions about access: whether a record can be changed, who can export, who rotated what, who changed settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts_app.models import User
from accounts_app.privileges import verify_privileges
from accounts_app.roles import Role
from accounts_app.scope import Reach, scopes_of
from accounts_app.tenant_settings import title
from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from core_app.recorded import shown
from evidence_app.contents import Row, columns
from evidence_app.questions.question import Question, entries_of
from evidence_app.selection import Selection

_LOG: Final = ProvisioningLog._meta.label_lower
_FORBIDDEN: Final = ("change", "delete")
_ROTATIONS: Final = (Action.CREDENTIAL_ROTATION_STARTED, Action.CREDENTIAL_ROTATED, Action.SIGNING_KEY_ROTATED)
_SETTINGS: Final = (
    Action.SETTINGS_PROPOSED,
    Action.SETTINGS_CONFIRMED,
    Action.SETTINGS_REJECTED,
    Action.GROUP_MAPPING_PROPOSED,
    Action.GROUP_MAPPING_CONFIRMED,
    Action.GROUP_MAPPING_ENDED,
)
_ROLES: Final = (Action.ROLE_GRANTED, Action.ROLE_REVOKED)


def _can_a_record_be_changed(selection: Selection) -> Iterator[Row]:
    """Yield every control that keeps the log from change, as expected and as it is found in the database now."""
    found = verify_privileges(is_production=settings.PRODUCTION).of_tenant(selection.tenant.pk)
    for cell in found.cells:
        if cell.table == _LOG:
            held = [verb for verb in cell.effective if verb in _FORBIDDEN]
            yield _control(
                _("permission"), cell.role, _("neither change nor delete"), ", ".join(held) or _("neither"), not held
            )
    for each in found.triggers:
        if each.append_only:
            missing = set(each.expected) - set(each.effective)
            yield _control(
                _("triggers"), each.table, ", ".join(each.expected), ", ".join(each.effective) or _("none"), not missing
            )
    for right in found.database_rights:
        excess = set(right.effective) - set(right.expected)
        who = f"{right.role} ({right.standing})" if right.standing else right.role
        name = _("%(who)s on %(table)s") % {"who": who, "table": right.table}
        yield _control(_("database role"), name, ", ".join(right.expected), ", ".join(right.effective), not excess)
    for note in found.notes:
        yield _control(_("to be known"), shown(note.text), "", "", None)
    for finding in found.findings:
        yield _control(_("finding"), f"{finding.kind}: {finding.subject}", "", shown(finding.detail), False)


def _control(kind: str, what: str, expected: str, found: str, ok: bool | None) -> dict[str, Any]:
    return {"kind": kind, "what": what, "expected": expected, "found": found, "as_expected": ok}


def _who_can_export(selection: Selection) -> Iterator[Row]:
    """Yield everybody who may take evidence of the tenant out now, and how often they did in the period."""
    taken = Counter(row["by"] for row in entries_of(selection, Action.EVIDENCE_EXPORTED) if row["succeeded"])
    people = User.objects.filter(is_active=True, groups__name=Role.AUDITOR).order_by("upn")
    scopes = scopes_of(list(people))
    for person in people:
        reach = scopes[person.pk].own.get(Role.AUDITOR)
        of = _of_tenant(reach, selection) if reach else ""
        if of:
            name = {"person": person.upn, "name": person.display_name}
            yield {**name, "of": of, "exports_in_the_period": taken.pop(person.upn, 0), "may_now": True}
    for upn, count in sorted(taken.items()):
        yield {"person": upn, "name": "", "of": "", "exports_in_the_period": count, "may_now": False}


def _of_tenant(reach: Reach, selection: Selection) -> str:
    if selection.tenant.pk in reach.tenants:
        return _("the whole tenant")
    units = selection.tenant.business_units.filter(reach.of_units()).order_by("path").values_list("name", flat=True)
    return ", ".join(units)


def _who_rotated_what(selection: Selection) -> Iterator[Row]:
    for row in entries_of(selection, *_ROTATIONS):
        said: dict[str, Any] = row["details"]
        yield {
            **row,
            "credential": said.get("purpose", _("the log's signing key")),
            "kind": said.get("kind", "Ed25519 key"),
            "asked_by": said.get("requested_by", row["by"]),
            "expires_on": said.get("expires_on"),
            "revoked": said.get("revoked_key_id", ""),
        }


def _who_changed_the_settings(selection: Selection) -> Iterator[Row]:
    for row in entries_of(selection, *_SETTINGS, *_ROLES):
        said: dict[str, Any] = row["details"]
        if row["action"] in {each.label for each in _ROLES}:
            what = f"{said['role']} for {said['person']}, {said['over']} ({said['depth']})"
            yield {**row, "what": what, "why": said["because"]}
        else:
            yield {**row, "what": "; ".join(_said(said))}


def _said(details: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Yield what was proposed or agreed on, a setting each, under the names that people use.

    PostgreSQL keeps the names of an object in an order of its own.
    """
    for name, value in sorted(details.items()):
        path = f"{above}.{name}" if above else name
        if name == "settings" and not above:
            yield from _said(value)
        elif isinstance(value, dict):
            yield from _said(value, path)
        else:
            words = ", ".join(map(str, value)) if isinstance(value, list) else value
            yield f"{title(path)}: {words}"


def _what_was_exported(selection: Selection) -> Iterator[Row]:
    for row in entries_of(selection, Action.EVIDENCE_EXPORTED, Action.EVIDENCE_STORED):
        said: dict[str, Any] = row["details"]
        of = said.get("request") or said.get("question") or said.get("quarter") or ""
        digest = said.get("manifest_sha256") or said.get("sha256")
        yield {**row, "of": of, "scope": said.get("scope", ""), "place": said.get("place", ""), "sha256": digest}


QUESTIONS: Final = (
    Question(
        "can_a_record_be_changed",
        gettext_lazy("Can a record of the log be changed or deleted, and by whom?"),
        gettext_lazy(
            "The controls as they stand in the database now: permissions of each role, triggers on "
            "each append-only table, rights of each database role (on PostgreSQL), and every "
            "difference. Whoever owns the database can get round them; what they change is then "
            "found by the signatures and anchors outside it."
        ),
        columns("kind what expected found as_expected"),
        _can_a_record_be_changed,
        is_of_now=True,
        needs_whole_tenant=True,
    ),
    Question(
        "who_can_export",
        gettext_lazy("Who can take evidence out, and who did?"),
        gettext_lazy(
            "Everybody who holds the role ELM Auditor for the tenant or one of its units now, with "
            "the exports of theirs in the period; and who exported then and may not any more."
        ),
        columns("person name of may_now exports_in_the_period"),
        _who_can_export,
        is_of_now=True,
        needs_whole_tenant=True,
    ),
    Question(
        "what_was_exported",
        gettext_lazy("What was taken out or stored, by whom, and how is it recognised?"),
        gettext_lazy(
            "Every export, download and stored package of the period, from the log, with the SHA-256 "
            "by which a file that somebody shows can be recognised (of a package, its manifest's)."
        ),
        columns("at action by of scope place succeeded why sha256 entry"),
        _what_was_exported,
        needs_whole_tenant=True,
    ),
    Question(
        "who_rotated_what",
        gettext_lazy("Who rotated which credential, and when?"),
        gettext_lazy(
            "Rotations of the service principals' secrets and certificates, and of the log's signing key, from the log."
        ),
        columns("at action credential kind asked_by by succeeded why expires_on revoked correlation_id entry"),
        _who_rotated_what,
        needs_whole_tenant=True,
    ),
    Question(
        "who_changed_the_settings",
        gettext_lazy("Who changed settings or who gets which role, and who agreed?"),
        gettext_lazy(
            "Proposals, confirmations and refusals of the tenant's settings and of the roles that "
            "Entra groups give, each proposed by one person and confirmed by another; and roles that "
            "were given or taken away. From the log."
        ),
        columns("at action by what why entry"),
        _who_changed_the_settings,
        needs_whole_tenant=True,
    ),
)
