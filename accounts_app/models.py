"""Tenants with their versioned settings and identities, business units (a tree), and users."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase
from simple_history.models import HistoricalRecords

from accounts_app.roles import DECIDING_ROLES, GRANT_NAMES, Depth
from audit_app.log import Chain
from core_app.ids import new_id


def _grants(*depths: Depth) -> list[tuple[str, Any]]:
    return [
        (f"{name}_{depth}", f"{role.label} ({depth.label})") for name, role in GRANT_NAMES.items() for depth in depths
    ]


class Tenant(models.Model):
    """One Microsoft Entra tenant whose Power Platform environments are managed here."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=100, unique=True)
    entra_tenant_id = models.UUIDField("Entra tenant ID", unique=True)
    publisher_prefix = models.CharField(max_length=8, default="fsi", help_text="Prefix of column names in exports.")
    key_vault_url = models.URLField("Key Vault URL", blank=True)
    halted_reason = models.TextField(blank=True, help_text="Why provisioning is halted; empty when it is not.")
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        permissions = _grants(Depth.ORGANISATION)

    def __str__(self) -> str:
        return self.name

    def log_chain(self) -> Chain:
        """Return the chain for entries that belong to no request."""
        return Chain(f"tenant:{self.pk}", self.pk, self.name)

    @property
    def current_settings(self) -> TenantSettings:
        """Return the settings in force: the newest confirmed version."""
        settings = self.settings.filter(confirmed_at__isnull=False).order_by("-version").first()
        if settings is None:
            raise TenantSettings.DoesNotExist(f"{self} has no confirmed settings.")
        return settings


class TenantSettingsQuerySet(models.QuerySet["TenantSettings"]):
    """Versions of settings, by where they stand."""

    def awaiting_a_second_person(self) -> TenantSettingsQuerySet:
        """Return proposals that are neither confirmed nor refused; a tenant has one at most."""
        return self.filter(confirmed_at__isnull=True, rejected_at__isnull=True)


class TenantSettings(models.Model):
    """One version of a tenant's settings; a run pins the version it started with."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="settings")
    version = models.PositiveBigIntegerField()
    values = models.JSONField(help_text="Differences from the defaults in accounts_app/tenant_settings.py.", blank=True)
    proposed_by = models.ForeignKey("User", models.PROTECT, null=True, blank=True, related_name="+")
    proposed_at = models.DateTimeField()
    confirmed_by = models.ForeignKey("User", models.PROTECT, null=True, blank=True, related_name="+")
    confirmed_at = models.DateTimeField(null=True, blank=True)
    rejected_by = models.ForeignKey(
        "User", models.PROTECT, null=True, blank=True, related_name="+", verbose_name="refused by"
    )
    rejected_at = models.DateTimeField("refused at", null=True, blank=True)
    rejection_reason = models.TextField("why it was refused", blank=True)
    history = HistoricalRecords()

    objects: ClassVar[TenantSettingsQuerySet] = TenantSettingsQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name_plural = "tenant settings"
        ordering = ["tenant", "-version"]
        default_permissions = ("view",)
        permissions = [
            ("propose_tenantsettings", "Can propose settings"),
            ("confirm_tenantsettings", "Can confirm settings"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "version"], name="one_settings_row_per_version"),
            models.CheckConstraint(
                condition=models.Q(confirmed_by__isnull=True) | ~models.Q(confirmed_by=models.F("proposed_by")),
                name="settings_need_a_second_person",
            ),
            models.UniqueConstraint(
                fields=["tenant"],
                condition=models.Q(confirmed_at__isnull=True, rejected_at__isnull=True),
                name="one_open_proposal_per_tenant",
            ),
            models.CheckConstraint(
                condition=models.Q(rejected_at__isnull=True)
                | (models.Q(confirmed_at__isnull=True, rejected_by__isnull=False) & ~models.Q(rejection_reason="")),
                name="refused_settings_say_who_and_why",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.tenant} settings v{self.version}"

    @property
    def is_open(self) -> bool:
        """Say whether it waits for a second person."""
        return self.confirmed_at is None and self.rejected_at is None


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


class BusinessUnit(models.Model):
    """A node in a tenant's tree of business units."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="business_units")
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    name = models.CharField(max_length=100)
    path = models.TextField(editable=False, help_text="Ids from the root to here, each followed by a slash.")
    history = HistoricalRecords()

    class Meta:
        ordering = ["path"]
        permissions = _grants(Depth.LOCAL, Depth.DEEP)
        constraints = [
            models.UniqueConstraint("tenant", "parent", Lower("name"), name="unit_names_differ_below_one_parent"),
            # Without a parent the one above holds nothing apart: a null differs from every other null
            models.UniqueConstraint(
                "tenant", Lower("name"), condition=models.Q(parent__isnull=True), name="names_of_root_units_differ"
            ),
            models.UniqueConstraint(fields=["path"], name="one_unit_per_path"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with the path that follows from the parent."""
        self.path = f"{self.parent.path if self.parent else ''}{self.pk}/"
        super().save(*args, **kwargs)


class UserManager(BaseUserManager["User"]):
    """Creates users by user principal name."""

    def get_by_natural_key(self, username: str | None) -> User:
        """Find a person by UPN, whatever its case (Entra compares UPNs without case)."""
        return self.get(upn__iexact=username)

    def create_user(self, upn: str, password: str | None = None, **fields: Any) -> User:
        """Create a user who signs in with this UPN; without a password only single sign-on works."""
        user = self.model(upn=upn.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, upn: str, password: str | None = None, **fields: Any) -> User:
        """Create a break-glass account; segregation of duties binds it like everyone else."""
        return self.create_user(upn, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """A person, as Microsoft Entra knows them."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    username = None  # type: ignore[assignment]
    upn = models.EmailField("user principal name", unique=True)
    entra_object_id = models.UUIDField("Entra object ID", null=True, blank=True, db_index=True)
    display_name = models.CharField(max_length=200, blank=True)
    department = models.CharField(max_length=100, blank=True)
    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, blank=True, related_name="users")
    business_unit = models.ForeignKey(BusinessUnit, models.PROTECT, null=True, blank=True, related_name="users")
    manager = models.ForeignKey("self", models.SET_NULL, null=True, blank=True, related_name="reports")
    is_service_principal = models.BooleanField(default=False, help_text="An automation account: it never decides.")
    session_generation = models.PositiveIntegerField(
        default=0, editable=False, help_text="Raised to end every session of the account with its next click."
    )
    history = HistoricalRecords(excluded_fields=["password", "last_login", "session_generation"])

    # When the person last proved who they are in the session that speaks; what carries requests sets it, never a row
    authenticated_at: datetime | None = None

    objects: ClassVar[UserManager] = UserManager()  # type: ignore[assignment]

    USERNAME_FIELD = "upn"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    def __str__(self) -> str:
        return self.display_name or self.upn

    @property
    def person_key(self) -> str:
        """Return what identifies the human being behind the account: two accounts of one person share it."""
        return str(self.entra_object_id or self.pk)

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """Bind sessions to the generation too: Django compares this hash with every request."""
        own = f"{super()._get_session_auth_hash(secret=secret)}:{self.session_generation}"  # type: ignore[misc]
        return salted_hmac("accounts_app.User.session_generation", own, secret=secret, algorithm="sha256").hexdigest()

    def get_full_name(self) -> str:
        """Return the name shown to people."""
        return str(self)

    def get_short_name(self) -> str:
        """Return the name shown in greetings."""
        return str(self)


class DelegationQuerySet(models.QuerySet["Delegation"]):
    """Delegations, by what counts when."""

    def active_at(self, moment: datetime) -> DelegationQuerySet:
        """Return those in force at a moment."""
        return self.filter(begins_at__lte=moment, ends_at__gt=moment, revoked_at__isnull=True)


class Delegation(models.Model):
    """One person lets another decide in their place for a time. The delegate inherits the delegator's conflicts."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    delegator = models.ForeignKey(User, models.PROTECT, related_name="delegations_given")
    delegate = models.ForeignKey(User, models.PROTECT, related_name="delegations_received")
    role = models.CharField(
        max_length=40,
        choices=[(role.value, role.label) for role in DECIDING_ROLES],
        blank=True,
        help_text="Empty: every role with which the delegator decides.",
    )
    business_unit = models.ForeignKey(
        BusinessUnit,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="This unit and those below it. Empty: wherever the delegator decides.",
    )
    begins_at = models.DateTimeField("begins")
    ends_at = models.DateTimeField("ends")
    is_absence = models.BooleanField(
        "out of office", default=True, help_text="Nothing new is assigned to the delegator meanwhile."
    )
    reason = models.CharField(max_length=200, help_text="Why; it is logged.")
    revoked_at = models.DateTimeField("revoked", null=True, blank=True)
    created_at = models.DateTimeField()
    history = HistoricalRecords()

    objects: ClassVar[DelegationQuerySet] = DelegationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        ordering = ["-begins_at"]
        default_permissions = ("add", "view")
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(delegate=models.F("delegator")), name="nobody_delegates_to_self"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("begins_at")), name="a_delegation_ends_after_it_begins"
            ),
        ]
        indexes = [models.Index(fields=["delegate", "ends_at"], name="delegation_by_delegate")]

    def __str__(self) -> str:
        return f"{self.delegator} → {self.delegate}"


class BusinessUnitUserObjectPermission(UserObjectPermissionBase):
    """Grant of a role at a depth on a business unit to a person (guardian, direct foreign key)."""

    content_object = models.ForeignKey(BusinessUnit, models.CASCADE)


class BusinessUnitGroupObjectPermission(GroupObjectPermissionBase):
    """Grant of a role at a depth on a business unit to a group."""

    content_object = models.ForeignKey(BusinessUnit, models.CASCADE)


class TenantUserObjectPermission(UserObjectPermissionBase):
    """Grant of a role on a whole tenant to a person."""

    content_object = models.ForeignKey(Tenant, models.CASCADE)


class TenantGroupObjectPermission(GroupObjectPermissionBase):
    """Grant of a role on a whole tenant to a group."""

    content_object = models.ForeignKey(Tenant, models.CASCADE)


def guardian_anonymous_user(user_model: type[User]) -> User:
    """Return the row that django-guardian wants for visitors who are not signed in; it can never sign in."""
    anonymous = user_model(id=UUID(int=0), upn="anonymous@invalid", display_name="Anonymous", is_active=False)
    anonymous.set_unusable_password()
    return anonymous
