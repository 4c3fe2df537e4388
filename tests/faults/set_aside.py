"""What a tenant's people and its log have heard of messages that no worker could handle."""

from __future__ import annotations

from collections.abc import Iterable

from django.urls import reverse

from audit_app.actions import Action
from audit_app.models import ProvisioningLog
from audit_app.verify import verify_log
from notifications_app.catalogue import Event
from notifications_app.models import OutboxMessage
from provisioning_app.choices import FindingKind
from provisioning_app.models import ReconciliationFinding
from tests.microsoft import World
from tests.screens import client_of


def dead_letters(world: World) -> dict[str, str]:
    """Return what the findings about messages say, by subject."""
    found = ReconciliationFinding.objects.filter(tenant=world.people.tenant, kind=FindingKind.DEAD_LETTER)
    return {finding.subject: finding.detail for finding in found}


def assert_told_once(world: World, subjects: Iterable[str]) -> None:
    """One finding, one log entry and one message to the operator per subject, and the screen shows it."""
    told = dead_letters(world)
    assert set(told) == set(subjects)
    assert ReconciliationFinding.objects.filter(kind=FindingKind.DEAD_LETTER).count() == len(told)
    entries = ProvisioningLog.objects.filter(action=Action.FINDING_OPENED, tenant_id=world.people.tenant.pk)
    assert entries.count() == len(told)
    messages = OutboxMessage.objects.filter(recipient=world.people.operator, event=Event.FINDING_OPENED)
    assert sorted(messages.values_list("body", flat=True)) == sorted(told.values())
    page = client_of(world.people.operator).get(reverse("admin:provisioning_app_reconciliationfinding_changelist"))
    assert all(subject in page.content.decode() for subject in told)
    assert verify_log().ok
