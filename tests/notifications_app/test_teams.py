"""Cards for Teams: their form, what becomes of an answer, and where they are never sent."""

from __future__ import annotations

import pytest
from django.db import transaction

from accounts_app.services import propose_settings
from core_app.errors import InvalidInputError
from core_app.redaction import without_secrets
from notifications_app.catalogue import Channel, Event
from notifications_app.channels import NotDeliveredError
from notifications_app.channels.teams import trusted
from notifications_app.choices import choose
from notifications_app.delivery import MAX_ATTEMPTS, deliver_due
from notifications_app.models import OutboxMessage
from notifications_app.services import announce
from tests.factories import make_request
from tests.webhook import SECRET_NAME, SIGNATURE, join, put_secret, serving

Status = OutboxMessage.Status
PATH = "/workflows/1/triggers/manual/paths/invoke?sig=0123456789abcdef"


def tell(people, once, *, about=None, **words):
    words = {"name": "FIN-Claims-DEV", "decider": "Ada", "comment": "No.", **words}
    to = [people.requester, people.approver]
    with transaction.atomic():
        announce(
            Event.REJECTED,
            to=to,
            tenant_id=people.tenant.pk,
            reference="REQ-00001",
            once=once,
            about=about,
            **words,
        )
    return OutboxMessage.objects.get(channel=Channel.TEAMS, once=f"rejected:{once}")


@pytest.fixture
def joined(world, settings, tmp_path):
    """A tenant with a Teams channel, the workflow behind it, and a system that sends."""
    settings.NOTIFICATIONS, settings.PUBLIC_URL = "send", "https://elm.example"
    with serving(tmp_path) as (teams, certificates):
        join(world, teams.address, certificates, settings)
        yield world, teams


def test_a_card_says_what_happened_whom_it_concerns_and_where_to_look(joined):
    world, teams = joined
    people = world.people
    request = make_request(people=people)
    choose(people.approver, {(Event.REJECTED, Channel.TEAMS): False})
    message = tell(people, "1", about=request, comment="[here](https://evil.example) <at>All</at>")

    deliver_due()
    deliver_due()

    message.refresh_from_db()
    assert (message.status, message.attempts, message.recipient) == (Status.SENT, 1, None)
    (card,) = teams.contents
    subject, body, facts, mentions = card["body"]
    assert (card["type"], card["version"], subject["inlines"][0]["text"]) == (
        "AdaptiveCard",
        "1.4",
        "REQ-00001 was rejected",
    )
    # Words of people stand where Teams knows neither Markdown nor mentions
    assert body == {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": message.body}]}
    assert [fact["title"] for fact in facts["facts"]] == ["What", "About", "Tenant", "When"]
    assert mentions["text"] == f"<at>{people.requester}</at>"
    assert card["msteams"]["entities"] == [
        {
            "type": "mention",
            "text": mentions["text"],
            "mentioned": {"id": people.requester.upn, "name": str(people.requester)},
        }
    ]
    address = f"https://elm.example/admin/requests_app/environmentrequest/{request.pk}/change/"
    assert card["actions"] == [{"type": "Action.OpenUrl", "title": "Open REQ-00001", "url": address}]
    assert teams.cards[0]["attachments"][0]["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert without_secrets(teams.address) == "***"


def test_what_teams_answers_decides_whether_and_when_a_card_is_tried_again(joined):
    world, teams = joined
    clock = world.clock
    for who in (world.people.requester, world.people.approver):  # cards are all that is to be delivered
        choose(who, {(Event.REJECTED, Channel.EMAIL): False})
    slow = tell(world.people, "slow")

    teams.answers = [(429, {"Retry-After": "240"}), (503, {}), (202, {})]
    for seconds, expected in ((0, 1), (200, 0), (41, 1), (59, 0), (2, 1)):
        clock.advance(seconds=seconds)
        assert deliver_due() == expected, (seconds, expected)
    slow.refresh_from_db()
    assert (slow.status, slow.attempts, slow.last_error) == (Status.SENT, 3, "")

    refused = tell(world.people, "refused")
    teams.answers = [(400, {}), (302, {"Location": "https://elsewhere.example"})]
    assert deliver_due() == 1
    refused.refresh_from_db()
    assert (refused.status, refused.attempts, refused.last_error) == (Status.FAILED, 1, "Teams answered 400.")
    moved = tell(world.people, "moved")
    assert deliver_due() == 1
    moved.refresh_from_db()
    assert (moved.status, moved.last_error) == (Status.FAILED, "Teams answered 302.")

    dead = tell(world.people, "dead")
    teams.answers = [(500, {})] * MAX_ATTEMPTS
    for _ in range(MAX_ATTEMPTS):
        assert deliver_due() == 1
        clock.advance(hours=2)
    assert deliver_due() == 0
    dead.refresh_from_db()
    assert (dead.status, dead.attempts, dead.last_error) == (Status.FAILED, MAX_ATTEMPTS, "Teams answered 500.")

    # Where the address no longer leads to a listed host, or the vault has none, nothing is sent
    put_secret(world, f"https://attacker.example{PATH}")
    elsewhere, received = tell(world.people, "elsewhere"), len(teams.cards)
    assert deliver_due() == 1
    elsewhere.refresh_from_db()
    assert elsewhere.status == Status.FAILED
    assert "ELM_TEAMS_WEBHOOK_HOSTS" in elsewhere.last_error
    assert "attacker" not in elsewhere.last_error
    assert len(teams.cards) == received
    assert SIGNATURE not in str(list(OutboxMessage.history.values()))


@pytest.mark.parametrize(
    "address",
    [
        f"http://prod-1.westeurope.logic.azure.com{PATH}",
        f"https://169.254.169.254{PATH}",
        f"https://localhost{PATH}",
        f"https://logic.azure.com.evil.example{PATH}",
        f"https://evil-logic.azure.com{PATH}",
        f"https://prod-1.logic.azure.com@evil.example{PATH}",
        f"https://user:word@prod-1.logic.azure.com{PATH}",
        f"https://prod-1.logic.azure.com.{PATH}",
        "file:///etc/passwd",
        "https://[::1",
        "",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_a_card_goes_to_listed_hosts_over_tls_and_nowhere_else(address):
    with pytest.raises(NotDeliveredError, match="ELM_TEAMS_WEBHOOK_HOSTS") as refused:
        trusted(address, SECRET_NAME)
    assert refused.value.is_permanent
    assert "logic.azure" not in str(refused.value)


@pytest.mark.parametrize(
    "host",
    [
        "prod-161.westeurope.logic.azure.com:443",
        "PROD-1.Logic.Azure.com",
        "default0a1b.12.environment.api.powerplatform.com:443",
    ],
)
def test_addresses_of_microsofts_workflows_are_taken(host):
    assert trusted(f"https://{host}{PATH}\n", SECRET_NAME).raw_path.decode() == PATH


@pytest.mark.django_db
def test_settings_name_a_secret_and_never_take_an_address(people):
    with pytest.raises(InvalidInputError, match="name of a Key Vault secret") as refused:
        propose_settings(
            people.tenant.pk,
            by=people.governance_lead,
            values={"teams_webhook_secret": f"https://prod-1.westeurope.logic.azure.com{PATH}"},
        )
    assert "logic.azure" not in str(refused.value)


@pytest.mark.django_db
def test_a_tenant_without_a_channel_gets_no_card(people):
    words = {"name": "A", "decider": "Ada"}
    announce(
        Event.APPROVED, to=[people.requester], tenant_id=people.tenant.pk, reference="REQ-00001", once="1", **words
    )
    assert list(OutboxMessage.objects.values_list("channel", flat=True)) == [Channel.EMAIL]
