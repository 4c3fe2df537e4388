"""Whom verified claims name: a person is known by tenant and object id, never by an e-mail address or a UPN."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop

from accounts_app.models import Tenant, User
from accounts_app.roles import Role
from accounts_app.services import create_account
from audit_app.actions import Action, ActorType
from audit_app.actors import Actor
from audit_app.log import record
from core_app.errors import DomainError
from core_app.recorded import recorded, told
from core_app.transactions import transactional
from sign_in_app.entra.claims import Claims, SignInRefusedError
from sign_in_app.membership import synchronise


def arrive(claims: Claims) -> User:
    """Return who signs in, with the roles that their Entra groups give them now.

    Raises:
        SignInRefusedError: they may not come in; the reason is logged.
    """
    try:
        return _arrive(claims)
    except SignInRefusedError as refused:
        _record_refusal(claims, refused)
        raise


def known_person(claims: Claims) -> User:
    """Return the person whom the claims name, as they are.

    Raises:
        SignInRefusedError: nobody active is known by this object id.
    """
    person = _find(Tenant.objects.get(entra_tenant_id=claims.tenant_id), claims)
    if person is None or not person.is_active:
        raise SignInRefusedError(_("This account is not known here. Sign in with the account that you work with here."))
    return person


@transactional
def _arrive(claims: Claims) -> User:
    tenant = Tenant.objects.select_for_update(no_key=True).get(entra_tenant_id=claims.tenant_id)
    has_mappings = tenant.group_mappings.in_force().exists()
    if claims.groups_left_out and has_mappings:
        raise SignInRefusedError(
            told(
                noop(
                    "You are in more Entra groups than fit into a sign-in, so your roles cannot be told. "
                    "Ask your Entra administrators to let this application's group claim name only the "
                    "groups assigned to it."
                )
            )
        )
    person = _find(tenant, claims)
    if person is None:
        person = _create(tenant, claims)
    if not person.is_active:
        raise SignInRefusedError(
            told(noop("Your account is deactivated here. Ask a Governance Lead of your organisation."))
        )
    synchronise(person, claims.groups)
    if not person.groups.filter(name__in=list(Role)).exists():
        raise SignInRefusedError(
            told(noop("You hold no role here yet. Ask a Governance Lead of your organisation for one."))
        )
    if not person.is_staff:
        person.is_staff = True  # the screens are the admin's
        person.save(update_fields=["is_staff"])
    return person


def _find(tenant: Tenant, claims: Claims) -> User | None:
    """Find the account of an object id; of several accounts of one person the one whose UPN the token carries."""
    accounts = User.objects.filter(
        tenant=tenant, entra_object_id=claims.object_id, is_service_principal=False, is_superuser=False
    )
    found = list(accounts)
    if len(found) > 1:
        found = [account for account in found if account.upn.lower() == claims.upn.lower()]
        if not found:
            raise SignInRefusedError(
                told(noop("Several accounts here are yours, and none has this name. Ask a Governance Lead."))
            )
    return found[0] if found else None


def _create(tenant: Tenant, claims: Claims) -> User:
    if not claims.upn:
        raise SignInRefusedError(
            told(noop("Microsoft did not say your user principal name; ask your Entra administrators."))
        )
    if User.objects.filter(upn__iexact=claims.upn).exists():
        raise SignInRefusedError(
            told(
                noop(
                    "An account here has the name %(claims)s but belongs to another Entra identity. Ask "
                    "a Governance Lead of your organisation; a name alone lets nobody in."
                ),
                claims=claims.upn,
            )
        )
    if not tenant.group_mappings.in_force().filter(group_id__in=claims.groups).exists():
        raise SignInRefusedError(
            told(noop("None of your Entra groups has a role here. Ask a Governance Lead for one."))
        )
    return create_account(tenant, claims.upn, claims.object_id, display_name=claims.name)


@transactional
def _record_refusal(claims: Claims, refused: DomainError) -> None:
    """What was begun is rolled back; that somebody with an account of the tenant was refused is recorded."""
    tenant = Tenant.objects.get(entra_tenant_id=claims.tenant_id)
    actor = Actor(ActorType.USER, claims.upn or str(claims.object_id))
    details = {"object_id": str(claims.object_id)}
    record(Action.SIGN_IN_REFUSED, on=tenant, by=actor, details=details, error=recorded(refused), success=False)
