"""The Power Platform API: who may enter, how it answers, and the tables it is made of (contract §11)."""

from simulator import (
    power_platform_continuity,
    power_platform_environments,
    power_platform_groups,
    power_platform_tenant,
)
from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, nested_error, require_audience

AUDIENCE = "https://api.powerplatform.com"
_VERSIONS = frozenset({"1", "2021-10-01-preview", "2022-03-01-preview", "2024-10-01"})


def _admit(call: Call) -> None:
    principal = require_audience(call, AUDIENCE)
    tenant = call.world.tenants[principal.tenant_id]
    assigned = {item["principalObjectId"] for item in tenant.role_assignments.values()}
    known = principal.client_id in tenant.management_applications or principal.object_id in assigned
    if not (principal.administrator or known):  # E18, and the RBAC roles of contract §10.2
        message = f"The principal '{principal.object_id}' does not have permission to access the path '{call.path}'."
        raise Refused(403, "Forbidden", message)
    version = call.query.get("api-version", "")
    if version not in _VERSIONS:
        message = f"The api-version '{version}' is invalid. Supported are '{','.join(sorted(_VERSIONS))}'."
        raise Refused(400, "InvalidApiVersion", message)


def _render(refused: Refused, call: Call) -> Reply:
    """Answer with the envelope of the part that was called (contract §3.1, §11.3)."""
    if call.path.lower().startswith("/authorization/"):
        return json_reply(refused.status, {"code": refused.code, "message": refused.message})
    if refused.code == "ValidationError":
        detail = {"code": refused.code, "message": refused.message}
        return json_reply(refused.status, {"errorDetail": detail | refused.extra})
    return nested_error(refused, call)


_routes = Routes()
for _module in (
    power_platform_continuity,
    power_platform_environments,
    power_platform_groups,
    power_platform_tenant,
):
    _routes.include(_module.routes)

SERVICE = Service("power_platform", _routes, _admit, _render)
