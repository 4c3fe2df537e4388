"""Every event of the catalogue is raised by a verb, and reaches people by mail and their channel by a card."""

from __future__ import annotations

import ast
from collections import defaultdict

import pytest
from django.core import mail
from django.db import connection

from accounts_app.models import User
from audit_app import scheduled, triggers
from audit_app.models import ProvisioningLog
from elm_project.env import BASE_DIR
from notifications_app.catalogue import CATALOGUE, ROLES_OF, Channel, Event
from notifications_app.delivery import deliver_due
from notifications_app.models import OutboxMessage
from notifications_app.tasks import deliver
from provisioning_app import services, tenants
from provisioning_app.credentials import clocks
from requests_app import services as requests
from requests_app.choices import State, Zone
from sign_in_app.break_glass import raise_alarm
from tests.factories import decide, make_request
from tests.provisioning_app.reconciling import failed_at_managed, roll_back
from tests.webhook import SIGNATURE, join, serving

WANTED = {
    Event.SUBMITTED,
    Event.DECISION_NEEDED,
    Event.REMINDER,
    Event.ESCALATED,
    Event.APPROVED,
    Event.REJECTED,
    Event.READY,
    Event.FAILED,
    Event.GAP_OPENED,
    Event.CREDENTIAL_DUE,
    Event.POLL_TIMEOUT,
    Event.TENANT_HALTED,
    Event.QUARANTINED,
    Event.ROLLBACK_FAILED,
    Event.LOG_VERIFICATION_FAILED,
    Event.BREAK_GLASS,
}


def test_every_event_has_a_verb_that_raises_it():
    packages = [*BASE_DIR.glob("*_app"), BASE_DIR / "elm_project"]
    sources = [path for folder in packages for path in folder.rglob("*.py") if path.name != "catalogue.py"]
    raised = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Event"
    }
    assert set(Event.__members__) - raised == set()


def tamper(people):
    """Change an entry of a tenant's log behind the triggers."""
    entry = ProvisioningLog.objects.filter(tenant=people.tenant, environment_request__isnull=False).first()
    connection.check_constraints()
    triggers.drop()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_app_provisioninglog SET actor = 'nobody' WHERE id = %s", [entry.pk.hex])


def audiences_of(person):
    """Return the parts in which somebody with a person's roles may be told."""
    roles = set(person.groups.values_list("name", flat=True))
    return {audience for audience, names in ROLES_OF.items() if roles & set(names)}


@pytest.mark.sqlite  # the database is read as one text, and an entry changed by its key as SQLite stores it
def test_the_sixteen_events_reach_people_by_mail_and_their_channel_by_a_card(make_world, settings, tmp_path, caplog):
    settings.NOTIFICATIONS, settings.PUBLIC_URL = "send", "https://elm.example"
    world = make_world(poll_limit=10, propagation_seconds=120)
    people, clock = world.people, world.clock
    with serving(tmp_path) as (teams, certificates):
        join(world, teams.address, certificates, settings)

        make_request(State.REJECTED, people=people, zone=Zone.ZONE_2)
        waiting = world.pending(Zone.ZONE_2)
        for _ in range(2):
            clock.advance(hours=25)
            requests.remind_overdue()
            requests.escalate_overdue()
        decide(waiting, people.approver)
        world.fault(host="power_platform", method="POST", path="addEnvironment", count=0, status=400)
        world.run_until_settled()
        waiting.refresh_from_db()
        assert waiting.state == State.COMPLETED
        failed = failed_at_managed(world)
        services.initiate_rollback(failed.pk, by=people.operator, reason="Asked for twice.")
        roll_back(world, minutes=1)
        world.fault(method="POST", host="bap*", path=r"/environments(\?|$)", operation="Stuck")
        assert world.provision(Zone.ZONE_1).state == State.FAILED
        tenants.halt(people.tenant.pk, "AADSTS7000215: the secret is refused.")
        clock.advance(days=365)
        clocks.announce_due()
        raise_alarm(User.objects.create_superuser("break.glass@contoso.example"))
        tamper(people)
        scheduled.verify(is_full=True)
        deliver()
        while deliver_due():
            pass

    told = defaultdict(set)
    for message in OutboxMessage.objects.filter(channel=Channel.EMAIL).select_related("recipient"):
        told[message.event] |= audiences_of(message.recipient)
    assert set(told) >= WANTED
    for event in WANTED:
        missing = set(CATALOGUE[event].to) - told[event]
        assert not missing, (event, missing)
    states = set(OutboxMessage.objects.values_list("status", flat=True))
    assert states == {OutboxMessage.Status.SENT}
    sent = {message.subject for message in mail.outbox}
    carded = OutboxMessage.objects.filter(channel=Channel.TEAMS)
    assert {message.event for message in carded} >= WANTED
    assert carded.count() == len(teams.cards)
    shown = {card["body"][0]["inlines"][0]["text"]: card for card in teams.contents}
    for message in carded:
        assert message.subject in sent
        card = shown[message.subject]
        assert card["actions"][0]["url"].startswith("https://elm.example/admin/"), message
        assert {"title": "Tenant", "value": people.tenant.name} in card["body"][2]["facts"]
    again = OutboxMessage.objects.count()
    deliver()
    assert OutboxMessage.objects.count() == again, "what a sweep finds again is told once"
    assert SIGNATURE not in "\n".join(connection.connection.iterdump())
    assert SIGNATURE not in caplog.text
