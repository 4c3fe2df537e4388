"""Every table either keeps the history of its rows or is listed here with the reason why it does not."""

from __future__ import annotations

from django.apps import apps
from django.db.models import Model

from tests.factories import People

WRITTEN_ONCE = "rows are written once, or never changed: the row is its own history"
PART_OF_THE_LOG = "a part of the tamper-evident log, which is more than a history"
GRANT = "given and taken away by verbs that log it; a grant is never changed"
COUNTER = "counts or holds a place; what it leads to is in the log"
WITHOUT_HISTORY = {
    "audit_app.ProvisioningLog": PART_OF_THE_LOG,
    "audit_app.ChainHead": PART_OF_THE_LOG,
    "audit_app.LogTree": PART_OF_THE_LOG,
    "audit_app.TreeLeaf": PART_OF_THE_LOG,
    "audit_app.TreeNode": PART_OF_THE_LOG,
    "audit_app.Checkpoint": PART_OF_THE_LOG,
    "audit_app.CheckpointTimestamp": PART_OF_THE_LOG,
    "audit_app.Anchor": PART_OF_THE_LOG,
    "audit_app.LogAccess": PART_OF_THE_LOG,
    "audit_app.VerificationRun": PART_OF_THE_LOG,
    "accounts_app.BusinessUnitUserObjectPermission": GRANT,
    "accounts_app.BusinessUnitGroupObjectPermission": GRANT,
    "accounts_app.TenantUserObjectPermission": GRANT,
    "accounts_app.TenantGroupObjectPermission": GRANT,
    "requests_app.EnvironmentRequestUserObjectPermission": GRANT,
    "requests_app.EnvironmentRequestGroupObjectPermission": GRANT,
    "sign_in_app.MappedGrant": GRANT,
    "gates_app.GateParty": WRITTEN_ONCE,
    "gates_app.Decision": WRITTEN_ONCE,
    "requests_app.RequestComment": WRITTEN_ONCE,
    "requests_app.IntakeReceipt": WRITTEN_ONCE,
    "provisioning_app.GovernedControl": WRITTEN_ONCE,
    "evidence_app.EvidenceCopy": WRITTEN_ONCE,
    "requests_app.RequestCounter": COUNTER,
    "provisioning_app.Slot": COUNTER,
    "provisioning_app.CircuitBreaker": COUNTER,
    "provisioning_app.WorkerTick": COUNTER,
}


def keeps_history(model: type[Model]) -> bool:
    return hasattr(model._meta, "simple_history_manager_attribute")


def test_every_table_keeps_history_or_says_why_not() -> None:
    ours = [config for config in apps.get_app_configs() if config.name.endswith("_app")]
    kept = {model for config in ours for model in config.get_models() if keeps_history(model)}
    histories = {model.history.model for model in kept}  # type: ignore[attr-defined]
    others = {model._meta.label for config in ours for model in config.get_models()} - {
        model._meta.label for model in kept | histories
    }

    assert others == WITHOUT_HISTORY.keys()


def test_a_model_s_manager_of_history_is_of_one_class_however_often_it_is_asked_for(people: People) -> None:
    assert type(people.tenant.history) is type(people.tenant.history)
    assert people.tenant.history.latest().instance == people.tenant
