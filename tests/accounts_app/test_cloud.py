"""How the workers sign in: with a token that their host federates, or with a secret in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest

from accounts_app.cloud import cloud_for
from accounts_app.models import TenantIdentity
from microsoft_cloud.errors import AuthenticationError
from tests.microsoft import GROUP_NAME, World

Purpose = TenantIdentity.Purpose
WORKER = {"issuer": "https://cluster.example", "subject": "system:serviceaccount:elm:worker"}


@pytest.fixture
def token_file(world: World, settings: Any, tmp_path: Path) -> Path:
    """A host that federates the workers with Entra and gives them no secret."""
    application = {"client_id": settings.WORKLOAD_CLIENT_ID, "federated_credentials": [WORKER]}
    seed = {"id": str(world.tenant_id), "applications": [application]}
    world.simulator.control("POST", "/seed", {"tenants": [seed]})
    file = tmp_path / "federated-token"
    settings.WORKLOAD_TOKEN_FILE, settings.WORKLOAD_SECRET_FILE = str(file), ""
    return file


def token_of(subject: str) -> str:
    claims = {"iss": WORKER["issuer"], "sub": subject, "aud": "api://AzureADTokenExchange"}
    return jwt.encode(claims, "k" * 32, "HS256")


def test_a_federated_token_opens_the_vault_without_any_secret(world: World, token_file: Path) -> None:
    token_file.write_text(token_of(WORKER["subject"]))
    assert cloud_for(world.people.tenant, Purpose.DIRECTORY).graph.group(GROUP_NAME).id == world.group_id


def test_a_federated_token_of_somebody_else_opens_nothing(world: World, token_file: Path) -> None:
    token_file.write_text(token_of("system:serviceaccount:other:worker"))
    with pytest.raises(AuthenticationError, match="AADSTS700213"):
        cloud_for(world.people.tenant, Purpose.DIRECTORY).graph.group(GROUP_NAME)


def test_a_missing_federated_token_is_no_reason_to_use_the_secret(
    world: World, token_file: Path, settings: Any, tmp_path: Path
) -> None:
    settings.WORKLOAD_SECRET_FILE = str(tmp_path / "workload")
    with pytest.raises(AuthenticationError, match="cannot be read"):
        cloud_for(world.people.tenant, Purpose.DIRECTORY).graph.group(GROUP_NAME)
