"""The provisioning log's screen; who sees which entries is added where people are known (``accounts_app.admin``)."""

from __future__ import annotations

import re

from django.urls import reverse
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from audit_app.actions import ActorType
from audit_app.models import ProvisioningLog
from core_app.admin import Coloured, ReadOnlyAdmin, readable
from core_app.recorded import shown
from core_app.text import in_words, spoken

# What a list shows of an error; the entry's page shows all of it
_CALL = re.compile(r"^[A-Z]+ \S+: ")
_SHOWN_IN_LIST = 80  # characters


class ProvisioningLogScreen(ReadOnlyAdmin):
    """The tamper-evident trail, to be read."""

    list_display = ("when", "about", "number", "action_name", "acted_by", "outcome", "failure")
    list_display_links = ("when",)
    list_select_related = ("environment_request",)
    list_filter = ("action", "success", "actor_type", "timestamp")
    search_fields = ("subject", "actor", "correlation_id")
    allowed_lookups = ("environment_request",)
    ordering = ("-timestamp", "-sequence", "id")
    readonly_fields = ("acted_by_in_full", "kind_of_actor", "outcome", "details", "states", "canonical_text", "proof")
    fieldsets = (
        (
            _("What happened"),
            {
                "fields": (
                    "environment_request",
                    "subject",
                    "action",
                    "states",
                    "outcome",
                    "error_message",
                    "details",
                    "timestamp",
                    "acted_by_in_full",
                    "kind_of_actor",
                )
            },
        ),
        (
            _("Evidence"),
            {
                "fields": (
                    "tenant",
                    "policy_version",
                    "correlation_id",
                    "chain",
                    "sequence",
                    "previous_hash",
                    "entry_hash",
                    "canonical_text",
                    "proof",
                )
            },
        ),
    )

    @display(description=_("When (UTC)"), ordering="timestamp")
    def when(self, entry: ProvisioningLog) -> str:
        return f"{entry.timestamp:%Y-%m-%d %H:%M:%S}"

    @display(description=_("About"), ordering="environment_request__number")
    def about(self, entry: ProvisioningLog) -> str:
        if entry.environment_request_id is None:
            return entry.subject
        page = reverse("admin:requests_app_environmentrequest_change", args=[entry.environment_request_id])
        return format_html('<a class="text-link" href="{}">{}</a>', page, entry.subject)

    @display(description="#")
    def number(self, entry: ProvisioningLog) -> str:
        return str(entry.sequence)

    @display(description=_("Action"), ordering="action")
    def action_name(self, entry: ProvisioningLog) -> str:
        return entry.get_action_display()

    @display(description=_("Actor"), ordering="actor")
    def acted_by(self, entry: ProvisioningLog) -> str:
        return entry.actor

    @display(description=_("Actor"))
    def acted_by_in_full(self, entry: ProvisioningLog) -> str:
        return entry.actor

    @display(description=_("Actor type"))
    def kind_of_actor(self, entry: ProvisioningLog) -> str:
        return spoken(ActorType(entry.actor_type).label)

    @display(description=_("Outcome"), ordering="success", label=Coloured({"Succeeded": "success", "Failed": "danger"}))
    def outcome(self, entry: ProvisioningLog) -> str:
        return gettext("Succeeded") if entry.success else gettext("Failed")

    @display(description=_("Why it failed"))
    def failure(self, entry: ProvisioningLog) -> str:
        return Truncator(shown(_CALL.sub("", entry.error_message))).chars(_SHOWN_IN_LIST)

    @display(description=_("Action details"))
    def details(self, entry: ProvisioningLog) -> str:
        return readable(entry.action_details)

    @display(description=_("State of the request"))
    def states(self, entry: ProvisioningLog) -> str:
        subject = entry._meta.get_field("environment_request").related_model
        words = dict(subject._meta.get_field("state").flatchoices)  # type: ignore[union-attr]
        passed = (entry.from_state, entry.to_state) if entry.to_state else ()
        return " → ".join(in_words(str(words[state])) for state in passed if state)

    @display(description=_("Bytes under the hash"))
    def canonical_text(self, entry: ProvisioningLog) -> str:
        return bytes(entry.canonical).decode("utf-8", "replace")

    @display(description=_("Proof"))
    def proof(self, entry: ProvisioningLog) -> str:
        page = reverse("log-proof", args=[entry.pk])
        words = gettext("Download the proof that this entry is in the signed log")
        return format_html('<a class="text-link" href="{}">{}</a>', page, words)
