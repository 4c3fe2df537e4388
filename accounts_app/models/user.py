"""People."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.utils.crypto import salted_hmac

from accounts_app.models.tenant import Tenant
from accounts_app.models.unit import BusinessUnit
from core_app.history import HistoricalRecords
from core_app.ids import new_id


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

    class Meta(AbstractUser.Meta):
        verbose_name = "person"
        verbose_name_plural = "people"

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


def guardian_anonymous_user(user_model: type[User]) -> User:
    """Return the row that django-guardian wants for visitors who are not signed in; it can never sign in."""
    anonymous = user_model(id=UUID(int=0), upn="anonymous@invalid", display_name="Anonymous", is_active=False)
    anonymous.set_unusable_password()
    return anonymous
