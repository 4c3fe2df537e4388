"""Disaster recovery and the settings of an environment over the Power Platform API (contract §11.5, §11.6)."""

from typing import Any

from simulator import lifecycle
from simulator.calls import Call, Reply, Routes, json_reply
from simulator.clock import plain_time
from simulator.environment import Environment
from simulator.power_platform_environments import accepted, find, invalid

routes = Routes("/environmentmanagement/environments/{env}")


@routes.on("POST", "/enableDisasterRecovery", "/disableDisasterRecovery")
def switch(call: Call) -> Reply:
    """Switch disaster recovery, for managed production only (contract §5.7)."""
    environment = find(call)
    if not (environment.is_managed and environment.sku == "Production"):
        raise invalid("environmentId", "Disaster recovery needs a managed production environment.")
    lifecycle.require_idle(call, environment)
    state = "Enabled" if call.path.lower().rstrip("/").endswith("/enabledisasterrecovery") else "Disabled"
    kind = state.removesuffix("d")
    switched = lifecycle.start(call, environment, kind, lambda: setattr(environment, "disaster_recovery", state))
    return accepted(call, switched)


@routes.on("POST", "/disasterRecoveryDrill")
def drill(call: Call) -> Reply:
    """Rehearse a failover; it leaves the environment where it is."""
    environment = _protected(call)
    if environment.failed_over:
        raise invalid("environmentId", "The environment has failed over; fail it back first.")
    return accepted(call, lifecycle.start(call, environment, "DisasterRecoveryDrill", lambda: None))


@routes.on("POST", "/forceFailover")
def force_failover(call: Call) -> Reply:
    """Move to the paired region."""
    return _move(call, "ForceFailover", failed_over=True)


@routes.on("POST", "/failback")
def failback(call: Call) -> Reply:
    """Move back to the primary region."""
    return _move(call, "Failback", failed_over=False)


@routes.on("GET", "/businessContinuityStateFullSnapshot")
def snapshot(call: Call) -> Reply:
    """Tell how the environment is protected and where it runs."""
    environment = find(call)
    state = {
        "environmentId": environment.id,
        "disasterRecoveryState": environment.disaster_recovery or "Disabled",
        "activeRegion": "Secondary" if environment.failed_over else "Primary",
        "lastSyncTime": plain_time(call.world.clock.now()),
    }
    return json_reply(200, state)


@routes.on("GET", "/settings")
def settings(call: Call) -> Reply:
    """Read the toggles that were set."""
    return _enveloped(find(call).toggles)


@routes.on("POST", "/settings")
def replace_settings(call: Call) -> Reply:
    """Set the toggles; what is not sent has its default again."""
    environment = find(call)
    environment.toggles = _checked(call.json_object())
    return _enveloped(environment.toggles)


@routes.on("PATCH", "/settings")
def change_settings(call: Call) -> Reply:
    """Set some of the toggles; what is not sent stays."""
    environment = find(call)
    environment.toggles |= _checked(call.json_object())
    return _enveloped(environment.toggles)


def _protected(call: Call) -> Environment:
    environment = find(call)
    if environment.disaster_recovery != "Enabled":
        raise invalid("environmentId", "Disaster recovery is not enabled.")
    lifecycle.require_idle(call, environment)
    return environment


def _move(call: Call, kind: str, *, failed_over: bool) -> Reply:
    environment = _protected(call)
    if environment.failed_over == failed_over:
        raise invalid("environmentId", f"The environment is in its {'secondary' if failed_over else 'primary'} region.")
    moved = lifecycle.start(call, environment, kind, lambda: setattr(environment, "failed_over", failed_over))
    return accepted(call, moved)


def _checked(toggles: dict[str, Any]) -> dict[str, Any]:
    if wrong := [name for name in toggles if not name[:1].isupper()]:
        raise invalid(wrong[0], "Names of settings are written in PascalCase.")
    return toggles


def _enveloped(toggles: dict[str, Any]) -> Reply:
    return json_reply(200, {"objectResult": toggles, "errors": None, "nextLink": None, "responseMessage": None})
