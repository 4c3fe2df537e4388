"""The identities we act as in a tenant."""

from __future__ import annotations

from django.db import models

from accounts_app.models.tenant import Tenant
from core_app.history import HistoricalRecords
from core_app.ids import new_id


class TenantIdentity(models.Model):
    """An application registration we act as in a tenant: name, version and dates; its secret is in Key Vault."""

    class Purpose(models.TextChoices):
        PROVISIONING = "provisioning", "Provisioning principal"
        DIRECTORY = "directory", "Directory reader"
        ROTATION = "rotation", "Rotation identity"
        ROLLBACK = "rollback", "Rollback principal"

    class Kind(models.TextChoices):
        SECRET = "secret", "Client secret"
        CERTIFICATE = "certificate", "Certificate"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="identities")
    purpose = models.CharField(max_length=20, choices=Purpose.choices)
    display_name = models.CharField(max_length=120)
    client_id = models.UUIDField("application (client) ID")
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.SECRET)
    secret_name = models.CharField(max_length=127, help_text="Name of the Key Vault secret.")
    secret_version = models.CharField(max_length=64, blank=True)
    key_id = models.CharField(max_length=64, blank=True)
    created_on = models.DateTimeField(null=True, blank=True, help_text="When the credential in force was made.")
    expires_on = models.DateTimeField(null=True, blank=True)
    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "tenant identities"
        constraints = [models.UniqueConstraint(fields=["tenant", "purpose"], name="one_identity_per_purpose")]

    def __str__(self) -> str:
        return self.display_name
