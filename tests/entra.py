"""A tenant that exists here and in the simulated Entra, with an application through which people sign in."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from django.http import HttpResponse
from django.test import Client

from accounts_app.models import User
from core_app import clock as core_clock
from core_app.clock import ManualClock
from tests.factories import People, make_people
from tests.microsoft import Simulator

CALLBACK = "http://testserver/sign-in/entra/callback/"


@dataclass
class Entra:
    """The tenant at Microsoft, and one browser.

    Attributes:
        people: Its people here.
        client: The browser, as far as this application goes.
        cookies: The browser's cookies at Microsoft.
    """

    simulator: Simulator
    people: People
    client_id: str
    client: Client = field(default_factory=Client)
    cookies: dict[str, str] = field(default_factory=dict)

    def seed(self, *people: User, groups: dict[str, list[User]] | None = None, **more: Any) -> None:
        """Let the people, and groups by their id, exist at Microsoft."""
        users = [{"id": str(each.entra_object_id), "upn": each.upn, "display_name": str(each)} for each in people]
        named = [
            {"id": group, "display_name": f"SG-{group[:8]}", "members": [each.upn for each in members]}
            for group, members in (groups or {}).items()
        ]
        application = {"client_id": self.client_id, "object_id": str(uuid4()), "display_name": "ELM sign-in"}
        tenant = {
            "id": str(self.people.tenant.entra_tenant_id),
            "name": self.people.tenant.name,
            "applications": [application | {"secret": "sign-in-secret", "redirect_uris": [CALLBACK]}],
            "users": users,
            "groups": named,
        }
        self.simulator.control("POST", "/seed", {"tenants": [tenant | more]})

    def leave(self, address: str = "/sign-in/entra/", **query: str) -> str:
        """Press the button, and return where Microsoft is asked."""
        answer = self.client.get(address, query)
        assert answer.status_code == 302, answer.content
        return str(answer["Location"])

    def choose(self, asked: str, account: User | None) -> httpx.Response:
        """Choose an account on Microsoft's page, or let its session answer."""
        url = f"{asked}&account={account.entra_object_id}" if account else asked
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.simulator.http.get(url, headers={"Cookie": cookies})
        self.simulator.http.cookies.clear()  # the client is everybody's
        self.cookies |= dict(answer.cookies)
        return answer

    def come_back(self, answer: httpx.Response) -> HttpResponse:
        """Follow Microsoft's redirect."""
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["Location"])
        return self.client.get(back.path, {name: values[0] for name, values in parse_qs(back.query).items()})  # type: ignore[return-value]

    def sign_in(self, account: User, **query: str) -> HttpResponse:
        """Sign in, from the button to the page that follows."""
        return self.come_back(self.choose(self.leave(**query), account))

    @property
    def signed_in(self) -> str | None:
        """Return the id of the account that the browser is signed in with."""
        return self.client.session.get("_auth_user_id")


@pytest.fixture
def now() -> ManualClock:
    """The time on the wall, which the simulator has too, until a test advances ours."""
    return ManualClock(datetime.now(UTC))


@pytest.fixture
def entra(
    db: None,
    simulator: Simulator,
    now: ManualClock,
    settings: Any,
    tmp_path: Path,
) -> Any:
    """Return the tenant at Microsoft with nobody in it yet."""
    simulator.tell_the_time()
    (tmp_path / "secret").write_text("sign-in-secret")
    client_id = str(uuid4())
    settings.CLOUD_ENDPOINTS_FILE = str(simulator.ready_file)
    settings.ENTRA_SIGN_IN_CLIENT_ID, settings.ENTRA_SIGN_IN_SECRET_FILE = client_id, str(tmp_path / "secret")
    with core_clock.using(now):
        yield Entra(simulator, make_people(), client_id)
