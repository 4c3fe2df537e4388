"""The solution checker's rules, on a host of its own that an environment names (contract §6.3)."""

from simulator.calls import Call, Refused, Reply, Routes, Service, json_reply, nested_error, require_audience

AUDIENCE = "https://advisor.powerapps.com"
_RULE_SET = "0ad12346-e108-40b8-a956-9a8f95ea18c9"
_RULES = {
    "meta-remove-dup-reg": "Avoid duplicate plug-in registrations.",
    "meta-avoid-reg-no-attribute": "Add filtering attributes to the registration of plug-ins.",
    "web-avoid-eval": "Do not use eval or its equivalents.",
    "web-use-async": "Interact with HTTP resources asynchronously.",
    "web-use-strict-mode": "Use strict mode where possible.",
    "app-formula-issues-high": "Resolve the formulas' issues of high severity.",
}

routes = Routes()


@routes.on("GET", "/api/rule")
def rules(call: Call) -> Reply:
    """List the rules of the rule set, as an array."""
    if call.query.get("ruleset", "").lower() != _RULE_SET:
        raise Refused(404, "RulesetNotFound", f"The rule set '{call.query.get('ruleset', '')}' could not be found.")
    return json_reply(200, [{"code": code, "description": text} for code, text in _RULES.items()])


def _admit(call: Call) -> None:
    require_audience(call, AUDIENCE)
    version = call.query.get("api-version", "")
    if version != "2.0":
        raise Refused(400, "InvalidApiVersion", f"The api-version '{version}' is invalid. Supported is '2.0'.")


SERVICE = Service("advisor", routes, _admit, nested_error)
