"""The Business Application Platform, on both its origins: who may enter, how it answers (contract §1 to §3)."""

from simulator import bap_environments, bap_governance, bap_tenant, reference_data
from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, require_audience

AUDIENCE = "https://service.powerapps.com"


def _admit(call: Call) -> None:
    principal = require_audience(call, AUDIENCE)
    registered = call.world.tenants[principal.tenant_id].management_applications
    if not (principal.administrator or principal.client_id in registered):  # E18
        raise Refused(
            403,
            "Forbidden",
            f"The service principal with id '{principal.object_id}' for application {principal.client_id} does not "
            f"have permission to access the path '{call.origin}{call.path}' in tenant {principal.tenant_id}.",
        )
    versionless = call.path.lower().startswith("/providers/powerplatform.governance/")
    version = call.query.get("api-version", "")
    if not versionless and version not in reference_data.API_VERSIONS:  # E20
        supported = ",".join(reference_data.API_VERSIONS)
        message = f"The api-version '{version}' is invalid. The supported versions are '{supported}'."
        raise Refused(400, "InvalidApiVersion", message)


def _render(refused: Refused, _call: Call) -> Reply:
    if not refused.code:
        return Reply(refused.status)
    error = {"code": refused.code, "message": refused.message, "detailUrlType": "NotSpecified"}
    return json_reply(refused.status, {"error": error | refused.extra})


_routes = Routes()
for _module in (bap_environments, bap_governance, bap_tenant):
    _routes.include(_module.routes)

SERVICE = Service("bap", _routes, _admit, _render)
