"""The append-only log and the heads of its chains."""

from __future__ import annotations

from typing import Any, ClassVar, Final, NoReturn

from django.db import models
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from audit_app import attempts
from audit_app.actions import Action, ActorType
from core_app.errors import DomainError
from core_app.ids import new_id


class AppendOnlyQuerySet(models.QuerySet["ProvisioningLog"]):
    """Refuses what the database triggers would refuse, with a sentence instead of a database error."""

    def update(self, **fields: Any) -> NoReturn:
        _refuse("UPDATE")

    def delete(self) -> NoReturn:
        _refuse("DELETE")

    def with_details_as_text(self) -> Any:
        """Read ``action_details`` as they are stored, as ``stored_details``: SQLite keeps also what is no JSON."""
        return self.defer("action_details").annotate(stored_details=Cast("action_details", models.TextField()))


def _refuse(operation: str) -> NoReturn:
    attempts.notice("audit_app_provisioninglog", operation)
    raise DomainError(_("The log is append-only: an entry is never changed or deleted. Record a new entry instead."))


_NAMES: Final = dict(Action.choices)


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
    recorded: ClassVar = ("error_message",)  # sentences in English, which screens translate

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

    def get_action_display(self) -> str:  # type: ignore[no-redef]
        """Return the action's name; Django's own makes a table of all actions anew for each entry of a list."""
        return _(_NAMES.get(self.action, str(self.action)))

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert a new entry; refuses to write an existing one again."""
        if not self._state.adding:
            _refuse("UPDATE")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: entries stay."""
        _refuse("DELETE")


class ChainHead(models.Model):
    """The last link of a chain: the one fixed row that writers of this chain lock (style guide, trap T7)."""

    chain = models.CharField(primary_key=True, max_length=80)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, related_name="+")
    sequence = models.PositiveBigIntegerField(default=0)
    entry_hash = models.CharField(max_length=64)
    timestamp = models.DateTimeField(null=True)
    sequenced = models.PositiveBigIntegerField(default=0, db_default=0, help_text="How many entries are in the tree.")

    class Meta:
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["tenant", "chain"],
                condition=models.Q(sequence__gt=models.F("sequenced")),
                name="chains_to_sequence",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chain} at {self.sequence}"


class LogTree(models.Model):
    """The Merkle tree over all entries of a tenant, as far as they are sequenced; one locked row per tenant."""

    tenant = models.OneToOneField("accounts_app.Tenant", models.PROTECT, primary_key=True, related_name="+")
    incarnation = models.PositiveBigIntegerField(default=1, help_text="Grows when a restore is accepted.")
    size = models.PositiveBigIntegerField(default=0)
    edge = models.BinaryField(default=bytes, help_text="Roots of the perfect subtrees, largest first.")
    refused_because = models.TextField(
        blank=True, default="", db_default="", help_text="Why the signer refuses it; provisioning halts meanwhile."
    )

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.origin}, {self.size} leaves"

    @property
    def origin(self) -> str:
        """Return the name under which its checkpoints are signed."""
        return f"elm/{self.tenant_id}/{self.incarnation}"


class TreeLeaf(models.Model):
    """Where an entry stands in its tenant's tree. No foreign key: a leaf proves that its entry existed."""

    entry = models.UUIDField(primary_key=True)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, db_index=False, related_name="+")
    index = models.PositiveBigIntegerField()
    leaf_hash = models.BinaryField(max_length=32)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["tenant", "index"], name="one_leaf_per_tenant_and_index")]

    def __str__(self) -> str:
        return f"leaf {self.index} of {self.tenant_id}"


class TreeNode(models.Model):
    """The root of 256 leaves, or of 256 such roots: what makes a proof cheap however long the log."""

    id = models.BigAutoField(primary_key=True)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, db_index=False, related_name="+")
    level = models.PositiveSmallIntegerField()
    index = models.PositiveBigIntegerField()
    node_hash = models.BinaryField(max_length=32)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["tenant", "level", "index"], name="one_node_per_place")]

    def __str__(self) -> str:
        return f"node {self.level}/{self.index} of {self.tenant_id}"


class Checkpoint(models.Model):
    """What the signer has signed: so many entries had this root at that time. ``note`` is what counts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, db_index=False, related_name="+")
    incarnation = models.PositiveBigIntegerField()
    size = models.PositiveBigIntegerField()
    root = models.CharField(max_length=64)
    signed_at = models.DateTimeField()
    public_key = models.CharField(max_length=64, help_text="Ed25519, 32 bytes in hexadecimal.")
    note = models.TextField()

    class Meta:
        default_permissions = ()
        ordering = ["tenant", "incarnation", "size", "signed_at"]
        indexes = [
            models.Index(fields=["tenant", "size", "signed_at"], name="checkpoints_by_size"),
            models.Index(fields=["tenant", "-signed_at"], name="checkpoints_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.size} entries at {self.signed_at:%Y-%m-%d %H:%M:%S} UTC"


class CheckpointTimestamp(models.Model):
    """What a time-stamp authority said about a checkpoint (RFC 3161). ``reply`` is what counts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    checkpoint = models.OneToOneField(Checkpoint, models.PROTECT, related_name="timestamp")
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, db_index=False, related_name="+")
    authority = models.CharField(max_length=300, help_text="Where it was asked for.")
    stamped_at = models.DateTimeField(help_text="By the authority's clock.")
    received_at = models.DateTimeField(help_text="By ours.")
    reply = models.BinaryField(help_text="TimeStampResp, DER.")

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["tenant", "-received_at"], name="timestamps_by_time")]

    def __str__(self) -> str:
        return f"{self.checkpoint}, stamped {self.stamped_at:%Y-%m-%d %H:%M:%S} UTC"


class Anchor(models.Model):
    """A copy of a checkpoint, or of its time stamp, where the database's administrators cannot change it."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    checkpoint = models.ForeignKey(Checkpoint, models.PROTECT, related_name="anchors")
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, db_index=False, related_name="+")
    place = models.CharField(max_length=300, help_text="The store it is in.")
    name = models.CharField(max_length=300)
    kept_until = models.DateTimeField(null=True)
    is_worm = models.BooleanField(default=False, help_text="The store confirmed a locked policy.")
    anchored_at = models.DateTimeField()

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["tenant", "-anchored_at"], name="anchors_by_time")]

    def __str__(self) -> str:
        return f"{self.name} in {self.place}"


class LogAccess(models.Model):
    """Somebody read the log, or tried to: the second trail, which captures any access (seed, Access Controls)."""

    class Page(models.IntegerChoices):
        """What was asked for."""

        LOG = 1, "Log"
        ENTRY = 2, "Entry"
        PROOF = 3, "Proof of an entry"
        REQUEST = 4, "Request with its audit trail"
        EXPORT = 5, "Export of evidence"
        ACCESS = 6, "Access to the log"
        QUESTIONS = 7, "Examiner's questions"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey("accounts_app.Tenant", models.PROTECT, db_index=False, related_name="+")
    at = models.DateTimeField("when")
    person = models.CharField(max_length=200, help_text="User principal name.")
    page = models.PositiveSmallIntegerField(choices=Page.choices)
    address = models.CharField(max_length=1000, help_text="Path and query, as they were sent.")
    method = models.CharField(max_length=10)
    status = models.PositiveSmallIntegerField(help_text="HTTP status of the answer.")
    refused = models.BooleanField(default=False, help_text="Nothing was shown or given.")
    request_id = models.CharField("request ID", max_length=64, blank=True, help_text="In every line about the request.")

    class Meta:
        verbose_name = "access to the log"
        verbose_name_plural = "accesses to the log"
        default_permissions = ("view",)
        ordering = ["-at", "id"]
        indexes = [models.Index(fields=["tenant", "-at", "id"], name="accesses_by_time")]

    def __str__(self) -> str:
        return f"{self.person}: {self.get_page_display()}, {self.at:%Y-%m-%d %H:%M:%S} UTC"


class VerificationRun(models.Model):
    """What one verification of the log found."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    is_full = models.BooleanField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    entries = models.PositiveBigIntegerField()
    ok = models.BooleanField()
    findings = models.JSONField(default=list)
    coverage = models.JSONField(default=dict, help_text="Per tenant: how far it went, and when all was verified last.")

    class Meta:
        default_permissions = ()
        indexes = [models.Index(fields=["-started_at"], name="verifications_by_time")]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M} UTC: {'verified' if self.ok else 'does not hold'}"
