"""The append-only log and the heads of its chains."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models

from audit_app.actions import Action, ActorType
from core_app.errors import DomainError
from core_app.ids import new_id


class AppendOnlyQuerySet(models.QuerySet["ProvisioningLog"]):
    """Refuses what the database triggers would refuse, with a sentence instead of a database error."""

    def update(self, **fields: Any) -> NoReturn:
        _refuse()

    def delete(self) -> NoReturn:
        _refuse()


def _refuse() -> NoReturn:
    raise DomainError("The log is append-only: an entry is never changed or deleted. Record a new entry instead.")


class ProvisioningLog(models.Model):
    """One entry of the tamper-evident trail (seed, table 2; columns beyond the seed's: elm.md §9).

    ``canonical`` holds the exact bytes that ``entry_hash`` covers; the other columns are for queries and must agree
    with it. Written only by :func:`audit_app.log.record`.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    environment_request = models.ForeignKey(
        "requests_app.EnvironmentRequest", models.PROTECT, null=True, blank=True, related_name="log_entries"
    )
    sequence = models.PositiveBigIntegerField()
    action = models.PositiveSmallIntegerField(choices=Action.choices)
    action_details = models.JSONField(default=dict)
    actor = models.CharField(max_length=200)
    actor_type = models.PositiveSmallIntegerField(choices=ActorType.choices)
    timestamp = models.DateTimeField()
    success = models.BooleanField(default=True)
    error_message = models.TextField(blank=True)
    correlation_id = models.CharField(max_length=100, blank=True)

    chain = models.CharField(max_length=80, help_text="Which chain the entry is on: one per request, one per tenant.")
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    subject = models.CharField(max_length=100, blank=True, help_text="What the entry is about, as people call it.")
    from_state = models.PositiveSmallIntegerField(null=True, blank=True)
    to_state = models.PositiveSmallIntegerField(null=True, blank=True)
    policy_version = models.CharField(max_length=40, blank=True)
    canonical = models.BinaryField()
    previous_hash = models.CharField(max_length=64)
    entry_hash = models.CharField(max_length=64)

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        verbose_name = "provisioning log entry"
        verbose_name_plural = "provisioning log"
        # The permissions to change and delete exist so that an examiner sees that nobody holds them (seed, Table 2)
        permissions = [("export_provisioninglog", "Can export the provisioning log")]
        ordering = ["chain", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "sequence"], name="one_entry_per_chain_and_sequence"),
            models.UniqueConstraint(fields=["chain", "previous_hash"], name="a_chain_never_forks"),
            models.CheckConstraint(condition=models.Q(sequence__gte=1), name="log_sequence_starts_at_one"),
        ]
        indexes = [
            models.Index(fields=["environment_request", "-sequence"], name="log_by_request"),
            models.Index(fields=["tenant", "timestamp", "id"], name="log_by_tenant_and_time"),
        ]

    def __str__(self) -> str:
        return f"{self.subject or self.chain} #{self.sequence} {self.get_action_display()}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert a new entry; refuses to write an existing one again."""
        if not self._state.adding:
            _refuse()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: entries stay."""
        _refuse()


class ChainHead(models.Model):
    """The last link of a chain: the one fixed row that writers of this chain lock (style guide, trap T7)."""

    chain = models.CharField(primary_key=True, max_length=80)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    sequence = models.PositiveBigIntegerField(default=0)
    entry_hash = models.CharField(max_length=64)
    timestamp = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.chain} at {self.sequence}"
