"""Help inside the application: every page of it opens, every screen has a section, nothing else gets out."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from accounts_app.roles import PERMISSIONS
from elm_project.help import DOCS, address_of, rendered
from elm_project.help_screens import GUIDES, SCREENS, section_for
from tests.factories import People, make_request, make_user
from tests.screens import client_of, page_of

_ID, _TARGET = re.compile(r' id="([^"]+)"'), re.compile(r'(?:href|src)="([^"]+)"')
SECTIONS = sorted({section for sections in SCREENS.values() for section in sections})


def anchors_of(name: str) -> set[str]:
    return set(_ID.findall(rendered((DOCS / name).read_text(), at=name).body))


@pytest.fixture
def reader(people: People) -> Client:
    return client_of(people.requester)


def test_every_page_opens_with_its_pictures_and_leads_nowhere_else(reader: Client) -> None:
    """Relative links hold in the browser as they do on disk; what cannot be opened here is no link."""
    seen = set()
    for file in DOCS.rglob("*.md"):
        address = address_of(file.relative_to(DOCS).as_posix())
        response = reader.get(address)
        assert response.status_code == 200, address
        body = response.context["page"].body
        for target in _TARGET.findall(body):
            if target.startswith(("https://", "#")):
                continue
            path = target.partition("#")[0]
            joined = _joined(address, path)
            if joined in seen:
                continue
            seen.add(joined)
            found = reader.get(joined)
            assert found.status_code == 200, f"{address} leads to {target}"
            assert found.getvalue()


def _joined(address: str, target: str) -> str:
    parts = address.split("/")[:-1]
    for part in target.split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_section_about_a_screen_exists(section: str) -> None:
    name, _, anchor = section.partition("#")
    assert anchor in ({""} | anchors_of(name))


def test_every_screen_has_a_section_and_every_guide_a_beginning() -> None:
    without = [
        name
        for name in (f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry)
        if not any(name.startswith(known) for known in SCREENS)
    ]
    assert without == []
    assert [guide for guide in GUIDES.values() if "your-first-page" not in anchors_of(guide)] == []


@pytest.mark.parametrize(
    ("role", "screen", "section"),
    [
        ("requester", "index", "guides/requester.md#your-first-page"),
        ("approver", "index", "guides/approver.md#your-first-page"),
        ("governance_lead", "index", "guides/administrator.md#your-first-page"),
        ("auditor", "requests_app_environmentrequest_change", "guides/auditor.md#requests-and-their-log"),
        ("operator", "requests_app_environmentrequest_change", "guides/operator.md#a-request-that-failed"),
        ("requester", "requests_app_environmentrequest_change", "guides/requester.md#follow-your-request"),
        ("governance_lead", "requests_app_environmentrequest_brief", "guides/approver.md#the-decision-brief"),
    ],
)
def test_a_person_is_led_to_their_own_guide(people: People, role: str, screen: str, section: str) -> None:
    assert section_for(screen, getattr(people, role)) == section


def test_the_overview_a_list_a_form_and_an_own_page_link_to_their_help(people: People) -> None:
    request = make_request(people=people)
    for address, section in {
        reverse("admin:index"): "guides/requester.md#your-first-page",
        reverse("admin:requests_app_environmentrequest_changelist"): "guides/requester.md#follow-your-request",
        page_of(request): "guides/requester.md#follow-your-request",
        page_of(request, "guided"): "guides/requester.md#ask-in-five-steps",
    }.items():
        assert f'href="{address_of(section)}"' in client_of(people.requester).get(address).content.decode()


def test_who_has_no_role_finds_every_guide(db: None) -> None:
    page = client_of(make_user()).get(reverse("help"))
    assert [address for address, _words in page.context["mine"]] == [
        address_of(guide) for guide in dict.fromkeys(GUIDES.values())
    ]
    without = [role for role, permissions in PERMISSIONS.items() if not set(permissions) & set(GUIDES)]
    assert without == []


@pytest.mark.parametrize(
    "name", ["../manage.py", "../.env", "guides/%2e%2e/%2e%2e/manage.py", "guides", "/etc/passwd", "images"]
)
def test_nothing_but_documents_is_shown(reader: Client, name: str) -> None:
    assert reader.get(f"{reverse('help')}{name}").status_code == 404


def test_nobody_reads_without_a_session(client: Client, db: None) -> None:
    for address in (reverse("help"), address_of("guides/requester.md"), address_of("images/decision-brief.png")):
        response: Any = client.get(address)
        assert response.status_code == 302, address
        assert response["Location"].startswith(reverse("admin:login"))


def test_a_document_brings_no_markup_and_no_script() -> None:
    page = rendered(
        "# A `title`\n\n<script>alert(1)</script> <b onclick=x>b</b> [a](javascript:alert(1)) "
        "[code](../../manage.py) [out](https://learn.microsoft.com/) [on](evidence.md#one)\n\n## It's *one*\n",
        at="guides/requester.md",
    )
    assert page.title == "A title"
    assert "<script" not in page.body
    assert "<b " not in page.body
    assert 'href="javascript' not in page.body
    assert "<a>code</a>" in page.body
    assert '<a href="https://learn.microsoft.com/" rel="noreferrer">' in page.body
    assert '<a href="evidence.md#one">' in page.body
    assert page.sections == (("its-one", "It's *one*"),)
