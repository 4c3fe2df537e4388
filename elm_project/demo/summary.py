"""What the demo has shown: per request a timeline from the log, the environment, and whether the log holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.urls import reverse
from rich.console import Console
from rich.text import Text

from accounts_app.tenant_settings import Settings
from audit_app.actions import Action
from audit_app.models import Checkpoint, ProvisioningLog
from audit_app.notes import fingerprint
from audit_app.verify import Report
from core_app import clock
from elm_project.demo.people import SHORTENED, TENANTS
from elm_project.demo.progress import seconds_of
from elm_project.demo.simulator_seed import TIMING
from notifications_app.models import OutboxMessage
from requests_app.choices import State
from requests_app.models import EnvironmentRequest


def document(request_ids: Sequence[UUID], report: Report, signed: Sequence[Checkpoint] = ()) -> dict[str, Any]:
    """Return the demo's JSON document: each request as it stands, the log, and what was signed for it at the end."""
    return {
        "requests": [_facts(request) for request in _requests(request_ids)],
        "log": {"entries": report.entries, "verified": report.ok},
        "checkpoints": [
            {
                "tenant": str(checkpoint.tenant),
                "entries": checkpoint.size,
                "root": checkpoint.root,
                "note": checkpoint.note,
                "key_fingerprint": fingerprint(bytes.fromhex(checkpoint.public_key)),
            }
            for checkpoint in signed
        ],
    }


def problems(request_ids: Sequence[UUID], report: Report) -> list[str]:
    """Return what did not end as it should, one sentence each."""
    found = [
        f"{request.tenant} {request} is {State(request.state).label}, not Completed"
        + (f": {request.failure_reason}" if request.failure_reason else ".")
        for request in _requests(request_ids)
        if request.state != State.COMPLETED
    ]
    return found + [f"The log does not hold at {finding.entry}: {finding.detail}" for finding in report.defects]


def show(console: Console, request_ids: Sequence[UUID], report: Report) -> None:
    """Print the timeline of each request and the state of the log."""
    for request in _requests(request_ids):
        _show_request(console, request)
    verified = Text("verified", style="green") if report.ok else Text("does not hold", style="red")
    console.print(Text.assemble("\nLog: ", f"{report.entries} entries, every chain walked: ", verified))


def show_signed(console: Console, signed: Sequence[Checkpoint]) -> None:
    """Print the signed checkpoint of each tenant's log, as an examiner would be given it."""
    for checkpoint in signed:
        console.print(Text(f"\nSigned checkpoint of {checkpoint.tenant}:\n{checkpoint.note.rstrip()}"), soft_wrap=True)
    for key in sorted({checkpoint.public_key for checkpoint in signed}):
        told = f"\nKey fingerprint (SHA-256): {fingerprint(bytes.fromhex(key))}"
        console.print(Text(told), soft_wrap=True)


def show_shortened(console: Console, shortened: Mapping[str, Any] = SHORTENED) -> None:
    """Say what is shorter here than in an installation."""
    defaults = Settings()
    settings = [f"{name} {value} instead of {getattr(defaults, name)}" for name, value in shortened.items()]
    creation = f"an environment is created within {TIMING['create_seconds']} s instead of minutes"
    console.print(
        Text(
            f"Shortened for the demo: {'; '.join(settings)} (tenant settings); {creation} (simulator). "
            "The real defaults have their own tests."
        )
    )


def show_logins(console: Console, address: str, simulator: str, password: str) -> None:
    """Print the address of the application and who can sign in."""
    # Lines and not a table: a table cuts addresses short on a narrow terminal, and then nobody can sign in with them
    lines = [
        f"  {person.upn:<29} {person.role.value:<23} {tenant.name if person.unit == tenant.name else person.unit}"
        for tenant in TENANTS
        for person in tenant.people
    ]
    outbox = f"{address.rstrip('/')}{reverse('admin:notifications_app_outboxmessage_changelist')}"
    told = OutboxMessage.objects.count()
    console.print(Text(f"\nThe application: {address}\nThe simulator:   {simulator}"))
    console.print(Text(f"Mail and Teams:  {told} messages, kept and not sent: {outbox}"), soft_wrap=True)
    console.print(Text("Sign in as:\n" + "\n".join(lines)), soft_wrap=True)
    console.print(Text(f"Everyone's password: {password}"))


def _requests(request_ids: Sequence[UUID]) -> list[EnvironmentRequest]:
    found = EnvironmentRequest.objects.select_related("tenant", "requester").in_bulk(request_ids)
    return [found[pk] for pk in request_ids]


def _facts(request: EnvironmentRequest) -> dict[str, Any]:
    return {
        "number": request.request_number,
        "zone": int(request.zone),
        "state": State(request.state).label,
        "environment_id": request.environment_id,
        "environment_url": request.environment_url,
        "seconds": round(seconds_of(request, clock.now()), 1),
        "log_entries": request.log_entries.count(),
    }


def _show_request(console: Console, request: EnvironmentRequest) -> None:
    head = f"\n{request.tenant} {request}: {request.environment_name}, {request.get_zone_display()}"
    console.print(Text(head, style="bold"))
    console.print(Text(f"  environment {request.environment_id or 'none'}  {request.environment_url}"))
    for entry in request.log_entries.order_by("sequence"):
        console.print(Text(_line(request, entry)), soft_wrap=True)


def _line(request: EnvironmentRequest, entry: ProvisioningLog) -> str:
    after = (entry.timestamp - request.created_at).total_seconds()
    state = f"  → {State(entry.to_state).label}" if entry.to_state else ""
    failure = "" if entry.success else f"  ✗ {entry.error_message}"
    return f"  {after:6.1f} s  #{entry.sequence:<3} {Action(entry.action).label:<26} {entry.actor}{state}{failure}"
