"""The staged plan: what is created and how it is hardened, as an approver reads it and a decision binds to it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.utils.translation import gettext_noop as noop

from accounts_app.services import settings_of
from accounts_app.tenant_settings import Settings
from requests_app.choices import CURRENCY, LOCATION, EnvironmentType, Region, Zone
from requests_app.fields import REQUESTED
from requests_app.models import EnvironmentRequest


def staged_plan(request: EnvironmentRequest, settings: Settings, zone: Zone | None = None) -> list[tuple[str, str]]:
    """Return (setting, value) pairs for everything provisioning will apply.

    Args:
        request: The request as it will be decided on.
        settings: The tenant settings the run will pin.
        zone: Another zone than the request's, to see what would differ.
    """
    baseline = settings.baselines[zone or request.zone]
    region = Region(request.region)
    return [
        (noop("Display name"), request.environment_name),
        (noop("Type"), EnvironmentType(request.environment_type).label),
        (noop("Location"), f"{region.label} ({LOCATION[region]}, {CURRENCY[region]})"),
        (noop("Dataverse"), "yes"),
        (noop("Managed Environment"), "yes"),
        (
            noop("Security group"),
            request.security_group_name or request.security_group_id or "none: the requester is added",
        ),
        (noop("Environment group"), baseline.environment_group),
        (noop("Sharing limit"), f"{baseline.sharing_limit} people" if baseline.sharing_limit else "none"),
        (noop("Solution checker"), baseline.solution_checker),
        (noop("Audit retention"), f"{baseline.audit_retention_days} days"),
        (noop("Session timeout"), f"{baseline.session_timeout_minutes} minutes"),
        (noop("Security role"), baseline.security_role),
        (noop("Data policy"), baseline.required_dlp_policy or "any that covers the environment"),
        (
            noop("Steps that must succeed"),
            ", ".join(("creation", "managed", "security group", *baseline.blocking_steps)),
        ),
        (noop("Settings version"), str(settings.version)),
    ]


def content_hash(request: EnvironmentRequest, settings: Settings) -> str:
    """Return the SHA-256 over who asks, for which unit, every field a requester can set, the zone and the plan."""
    said = {name: getattr(request, name) for name in REQUESTED}
    content: dict[str, Any] = {
        "fields": {name: value for name, value in said.items() if value is not None},
        "of": [str(key) for key in (request.tenant_id, request.business_unit_id, request.requester_id)],
        "zone": int(Zone(request.zone)),
        "plan": staged_plan(request, settings),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def hash_now(request: EnvironmentRequest) -> str:
    """Return the content hash of a routed request as it is stored now; empty where no verb could have stored that."""
    try:
        return content_hash(request, settings_of(request.tenant, request.settings_version))
    except (ValueError, KeyError, ObjectDoesNotExist):
        return ""
