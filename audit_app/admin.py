"""The provisioning log's screen; who sees which entries is added where people are known (``accounts_app.admin``)."""

from __future__ import annotations

from unfold.decorators import display

from audit_app.actions import ActorType
from audit_app.models import ProvisioningLog
from core_app.admin import ReadOnlyAdmin


class ProvisioningLogScreen(ReadOnlyAdmin):
    """The tamper-evident trail, to be read."""

    list_display = ("when", "about", "sequence", "action_name", "actor", "actor_kind", "outcome", "error_message")
    list_display_links = ("when",)
    list_select_related = ("environment_request",)
    list_filter = ("action", "success", "actor_type", "timestamp")
    search_fields = ("subject", "actor", "correlation_id")
    allowed_lookups = ("environment_request",)
    ordering = ("-timestamp", "-sequence", "id")
    readonly_fields = ("canonical_text",)
    fields = (
        "environment_request",
        "subject",
        "sequence",
        "action",
        "action_details",
        "actor",
        "actor_type",
        "timestamp",
        "success",
        "error_message",
        "from_state",
        "to_state",
        "policy_version",
        "correlation_id",
        "tenant",
        "chain",
        "previous_hash",
        "entry_hash",
        "canonical_text",
    )

    @display(description="When (UTC)", ordering="timestamp")
    def when(self, entry: ProvisioningLog) -> str:
        return f"{entry.timestamp:%Y-%m-%d %H:%M:%S}"

    @display(description="About", ordering="subject")
    def about(self, entry: ProvisioningLog) -> str:
        return entry.subject

    @display(description="Action", ordering="action")
    def action_name(self, entry: ProvisioningLog) -> str:
        return entry.get_action_display()

    @display(
        description="Actor type",
        label={ActorType.USER.label: "info", ActorType.SERVICE_PRINCIPAL.label: "warning", ActorType.SYSTEM.label: ""},
    )
    def actor_kind(self, entry: ProvisioningLog) -> str:
        return entry.get_actor_type_display()

    @display(description="Outcome", ordering="success", label={"Succeeded": "success", "Failed": "danger"})
    def outcome(self, entry: ProvisioningLog) -> str:
        return "Succeeded" if entry.success else "Failed"

    @display(description="Bytes under the hash")
    def canonical_text(self, entry: ProvisioningLog) -> str:
        return bytes(entry.canonical).decode("utf-8", "replace")
