"""Accounts, and the human beings behind them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError, transaction
from django.test import RequestFactory

from accounts_app.models import BusinessUnit, User
from tests.factories import PASSWORD, make_tenant, make_user, unit_of

pytestmark = pytest.mark.django_db


def test_people_sign_in_with_their_upn_whatever_its_case() -> None:
    user, request = make_user(), RequestFactory().post("/")
    assert authenticate(request, username=user.upn.upper(), password=PASSWORD) == user
    assert authenticate(request, username=user.upn, password="something else") is None


def test_a_person_is_shown_by_name_and_without_one_by_upn() -> None:
    named, nameless = make_user(display_name="Ada Lovelace"), make_user(display_name="")
    assert (str(named), named.get_full_name(), named.get_short_name()) == ("Ada Lovelace",) * 3
    assert str(nameless) == nameless.upn


def test_two_accounts_of_one_person_share_their_key() -> None:
    identity = uuid4()
    first, second, other = make_user(entra_object_id=identity), make_user(entra_object_id=identity), make_user()
    local = make_user(entra_object_id=None)
    assert first.person_key == second.person_key != other.person_key
    assert local.person_key == str(local.pk)


def test_nobody_signs_in_as_the_anonymous_user() -> None:
    anonymous = User.objects.get(upn="anonymous@invalid")
    assert not anonymous.is_active
    assert not anonymous.has_usable_password()


def test_a_break_glass_account_is_staff_and_superuser() -> None:
    account = User.objects.create_superuser("Break.Glass@contoso.example", PASSWORD)
    assert (account.upn, account.is_staff, account.is_superuser) == ("break.glass@contoso.example", True, True)


def test_names_of_units_differ_below_one_parent_whatever_their_case() -> None:
    tenant = make_tenant()
    group = unit_of(tenant, "Group")
    with pytest.raises(IntegrityError, match="unit_names_differ_below_one_parent"), transaction.atomic():
        BusinessUnit.objects.create(tenant=tenant, parent=group, name="RETAIL")
    BusinessUnit.objects.create(tenant=tenant, parent=unit_of(tenant, "Treasury"), name="Retail")


def test_names_of_root_units_differ_within_a_tenant_whatever_their_case() -> None:
    tenant = make_tenant()
    (root, *_) = tenant.business_units.filter(parent=None)
    with pytest.raises(IntegrityError, match="names_of_root_units_differ"), transaction.atomic():
        BusinessUnit.objects.create(tenant=tenant, name=root.name.upper())
    BusinessUnit.objects.create(tenant=tenant, name=f"{root.name} International")
    BusinessUnit.objects.create(tenant=make_tenant(), name=f"{root.name} International")
