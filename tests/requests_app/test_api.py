"""``POST /api/intake``: one authenticated way in for programs, bound to a tenant, silent about everything else."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client

from audit_app.actions import Action
from requests_app import api as api_module
from requests_app.models import EnvironmentRequest
from tests.factories import People, make_people
from tests.requests_app.payloads import as_bytes, changed, payload_of

TOKEN = "a-long-random-token"
Post = Callable[..., Any]


def fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@pytest.fixture
def tokens(people: People, settings: Any, tmp_path: Path) -> Path:
    """The file of tokens, with one for the people's tenant."""
    cache.clear()
    path = tmp_path / "tokens.json"
    path.write_text(json.dumps({fingerprint(TOKEN): {"name": "copilot-intake", "tenant": people.tenant.name}}))
    settings.API_TOKENS_FILE = str(path)
    return path


@pytest.fixture
def post(tokens: Path) -> Post:
    client = Client(raise_request_exception=False, enforce_csrf_checks=True)

    def send(payload: Any, token: str | None = TOKEN, content_type: str = "application/json", **headers: str) -> Any:
        content = payload if isinstance(payload, bytes) else as_bytes(payload)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return client.post("/api/intake", content, content_type=content_type, headers=headers)

    return send


def test_a_payload_is_created_once_and_known_afterwards(people: People, post: Post) -> None:
    payload = payload_of(people, classification__zone=2)
    first, second = post(payload), post(payload)
    answer = {"number": "REQ-00001", "zone": 1, "state": "PendingApproval"}
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == {
        **answer,
        "created": True,
        "differences": {"zone": {"payload": 2, "computed": 1}},
    }
    assert second.json() == {**answer, "created": False, "differences": {}}
    assert first.headers["Cache-Control"] == "no-store"


def test_the_log_names_the_caller_and_not_the_token(people: People, post: Post) -> None:
    post(payload_of(people))
    entry = EnvironmentRequest.objects.get().log_entries.get(action=Action.INTAKE_RECEIVED)
    assert entry.actor == entry.action_details["delivered_by"] == "copilot-intake"
    assert TOKEN not in str(entry.action_details)


def test_problems_come_by_path(people: People, post: Post) -> None:
    answer = post(payload_of(people, environment__region="moon", timestamp="soon"))
    assert answer.status_code == 400
    assert [problem["path"] for problem in answer.json()["problems"]] == ["$.timestamp", "$.environment.region"]
    assert all(problem["message"] for problem in answer.json()["problems"])
    assert not EnvironmentRequest.objects.exists()


def test_a_changed_payload_under_a_known_id_is_refused(people: People, post: Post) -> None:
    payload = payload_of(people)
    post(payload)
    answer = post(changed(payload, environment__name="FIN-Other-DEV"))
    assert (answer.status_code, answer.json()["problems"][0]["path"]) == (400, "$.requestId")


def test_a_requester_of_another_tenant_is_unknown(post: Post) -> None:
    answer = post(payload_of(make_people()))
    assert answer.status_code == 400
    assert "is nobody known here" in answer.json()["problems"][0]["message"]


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN.upper(), fingerprint(TOKEN), "ü"])
def test_without_a_known_token_nothing_is_read(people: People, post: Post, token: str | None) -> None:
    answer = post(payload_of(people), token)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json() == {"problems": [{"path": "$", "message": "Unauthorized"}]}
    assert not EnvironmentRequest.objects.exists()


def test_neither_a_session_nor_another_scheme_is_a_token(people: People, tokens: Path) -> None:
    client = Client()
    client.force_login(people.requester)
    for headers in ({}, {"Authorization": f"Basic {TOKEN}"}, {"Authorization": TOKEN}):
        answer = client.post("/api/intake", as_bytes(payload_of(people)), "application/json", headers=headers)
        assert answer.status_code == 401


def test_a_token_may_name_its_tenant_by_id(people: People, post: Post, tokens: Path) -> None:
    tokens.write_text(json.dumps({fingerprint(TOKEN).upper(): {"name": "x", "tenant": str(people.tenant.pk)}}))
    assert post(payload_of(people)).status_code == 201


def test_a_token_that_is_taken_out_of_the_file_stops_at_once(people: People, post: Post, tokens: Path) -> None:
    assert post(payload_of(people)).status_code == 201
    tokens.write_text("{}")
    assert post(payload_of(people)).status_code == 401


@pytest.mark.parametrize(
    "content",
    [
        None,
        "{",
        "[]",
        json.dumps({fingerprint(TOKEN): "copilot-intake"}),
        json.dumps({fingerprint(TOKEN): {"name": "copilot-intake"}}),
        json.dumps({fingerprint(TOKEN): {"name": "copilot-intake", "tenant": "Nobody's"}}),
        json.dumps({fingerprint(TOKEN): {"name": "copilot-intake", "tenant": str(uuid4())}}),
        json.dumps({fingerprint(TOKEN): {"tenant": "Contoso"}}),
    ],
)
def test_a_broken_table_of_tokens_lets_nobody_in(
    people: People, post: Post, tokens: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if content is None:
        tokens.unlink()
    else:
        tokens.write_text(content)
    assert post(payload_of(people)).status_code == 401
    assert TOKEN not in caplog.text


def test_without_a_table_nobody_is_let_in(people: People, post: Post, settings: Any) -> None:
    settings.API_TOKENS_FILE = ""
    assert post(payload_of(people)).status_code == 401


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_anything_but_json_is_refused(people: People, post: Post, content_type: str) -> None:
    answer = post(payload_of(people), content_type=content_type)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["problems"][0]["message"]


def test_json_with_a_charset_is_json(people: People, post: Post) -> None:
    assert post(payload_of(people), content_type="application/json; charset=utf-8").status_code == 201


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 10_000_000])
def test_a_payload_that_is_too_large_is_refused(post: Post, size: int) -> None:
    answer = post(b" " * size)
    assert answer.status_code == 413
    assert answer.json()["problems"][0]["message"].startswith("is larger than 1024 KiB")


@pytest.mark.parametrize("content", [b" ", b"\xff", b"{", b"[" * 50_000, b'{"a": NaN}'])
def test_what_is_no_payload_is_explained(post: Post, content: bytes) -> None:
    answer = post(content)
    assert answer.status_code == 400
    assert answer.json()["problems"]


def test_only_posts_are_taken_and_there_are_no_pages(tokens: Path, client: Client) -> None:
    assert client.get("/api/intake").status_code == 405
    for page in ("/api/docs", "/api/openapi.json", "/api/", "/api/other"):
        assert client.get(page).status_code == 404


def test_an_error_of_ours_tells_nothing_and_is_logged(
    people: People, post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("database password hunter2")

    monkeypatch.setattr(api_module, "receive", broken)
    with caplog.at_level(logging.ERROR):
        answer = post(payload_of(people))
    assert answer.status_code == 500
    assert "hunter2" not in answer.content.decode()
    assert "intake_broke" in caplog.text


def test_s14_a_caller_is_slowed_down(people: People, post: Post) -> None:
    payload = payload_of(people)
    statuses = {post(payload).status_code for _ in range(130)}
    assert statuses == {201, 200, 429}
