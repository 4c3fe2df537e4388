"""Deleting, by the rollback principal only."""

import pytest

from microsoft_cloud.errors import AuthenticationError, ConflictError, ConflictKind, PermanentError
from microsoft_cloud.operations import Started
from microsoft_cloud.rollback import RollbackBapClient

ENV = "5f2c9a10-0000-4000-8000-00000000a001"
ADMIN = f"https://api.bap.microsoft.com/providers/Microsoft.BusinessAppPlatform/scopes/admin/environments/{ENV}"
OPERATION = "https://europe.api.bap.microsoft.com/op"


@pytest.fixture
def rollback(cloud):
    return RollbackBapClient(cloud)


def test_a_delete_carries_its_code_and_reason(microsoft, rollback):
    microsoft.says(202, headers={"Location": OPERATION, "Retry-After": "30"})
    assert rollback.delete_environment(ENV, "Rollback of REQ-00042") == Started(202, OPERATION, None, 30)
    assert microsoft.lines == [f"DELETE {ADMIN}?api-version=2023-06-01"]
    assert microsoft.sent == {"code": "7", "message": "Rollback of REQ-00042"}


@pytest.mark.parametrize("status", [204, 404])
def test_an_environment_already_gone_is_deleted(microsoft, rollback, status):
    microsoft.says(status)
    assert rollback.delete_environment(ENV, "x") == Started(status)


def test_r09_an_empty_conflict_means_busy(microsoft, rollback):
    microsoft.says(409)
    with pytest.raises(ConflictError) as busy:
        rollback.delete_environment(ENV, "x")
    assert busy.value.kind is ConflictKind.BUSY


def test_r31_a_denied_delete_is_an_authentication_error_of_the_rollback_principal(microsoft, rollback):
    microsoft.says(403, {"error": {"code": "Forbidden", "message": "no"}})
    with pytest.raises(AuthenticationError):
        rollback.delete_environment(ENV, "x")


def test_r05_nothing_is_deleted_without_an_id(microsoft, rollback):
    for call in (lambda: rollback.delete_environment("", "x"), lambda: rollback.validate_delete("")):
        with pytest.raises(PermanentError):
            call()
    assert microsoft.requests == []


@pytest.mark.parametrize(
    ("status", "answer", "can_start", "problems"),
    [
        (200, {"canInitiateDelete": True, "errors": []}, True, ()),
        (200, {"canInitiateDelete": False, "errors": [{"message": "in use"}, {"code": "X"}]}, False, ("in use", "X")),
        (404, None, True, ()),
    ],
)
def test_the_check_is_advisory(microsoft, rollback, status, answer, can_start, problems):
    microsoft.says(status, answer)
    check = rollback.validate_delete(ENV)
    assert (check.can_start, check.problems) == (can_start, problems)
    assert microsoft.lines == [f"POST {ADMIN}/validateDelete?api-version=2018-01-01"]
