"""The door that each call passes: journal, faults, who is calling, the service, and back."""

import asyncio
import base64
import json
import re
from email.utils import format_datetime
from urllib.parse import parse_qsl, unquote, urlsplit

from aiohttp import web

from simulator import entra
from simulator.calls import Call, Reply, Service
from simulator.clock import bap_time
from simulator.faults import Rule, Target
from simulator.journal import Entry
from simulator.world import World

_LINK_HEADERS = frozenset({"location", "operation-location"})
_HOSTILE = "https://attacker.example/steal"


class Front:
    """Serves one service on one origin."""

    def __init__(self, world: World, service: Service, host: str, origin: str) -> None:
        self._world, self._service, self._host, self._origin = world, service, host, origin

    async def plain(self, request: web.Request) -> web.Response:
        """Answer without journal and faults, as the control port does."""
        reply = self._service.answer(self._call(request, await request.read()))
        self._world.touched |= request.method != "GET"
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    async def guarded(self, request: web.Request) -> web.StreamResponse:
        """Answer as the cloud does, or as a fault wants it."""
        call = self._call(request, await request.read())
        entry = self._world.journal.open(self._entry(call, request.raw_path), call.body, call.headers)
        rule = self._world.faults.strike(self._target(call, request.raw_path, entry.tenant))
        if rule:
            entry.fault = rule.label()
            await asyncio.sleep(rule.delay)
        if rule and rule.drop_before:
            return _drop(request)
        reply = self._answer(call, rule)
        entry.processed = call.processed
        if rule and rule.drop_after:
            return _drop(request)
        self._world.journal.close(entry, reply.status, reply.headers, reply.body)
        if rule and rule.trickle:
            return await _trickle(request, reply, rule.trickle)
        if rule:
            reply.body += b" " * (rule.padding_mb * 1024 * 1024)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    def _call(self, request: web.Request, body: bytes) -> Call:
        parts = urlsplit(request.raw_path)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return Call(
            world=self._world,
            origin=self._origin,
            method=request.method,
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
            principal=self._world.tokens.read(token) if scheme.lower() == "bearer" else None,
        )

    def _entry(self, call: Call, url: str) -> Entry:
        tenant = call.path.split("/")[1].lower() if self._host == "login" else ""
        return Entry(
            seq=0,
            time=bap_time(self._world.clock.now()),
            host=self._host,
            method=call.method,
            url=f"{self._origin}{url}",
            tenant=call.principal.tenant_id if call.principal else tenant,
            principal=(call.principal.upn or call.principal.client_id) if call.principal else "",
            request_headers={},
            request_body="",
        )

    def _target(self, call: Call, url: str, tenant_id: str) -> Target:
        """Describe the call to the faults; who asks for a token is known by the form."""
        client_id = call.principal.client_id if call.principal else ""
        if self._host == "login":
            client_id = dict(parse_qsl(call.body.decode("utf-8", "replace"))).get("client_id", "").lower()
        tenant = self._world.tenants.get(tenant_id)
        registered = tenant is not None and client_id in tenant.management_applications
        return Target(self._host, call.method, url, tenant_id, registered)

    def _answer(self, call: Call, rule: Rule | None) -> Reply:
        instead = self._instead(call, rule) if rule else None
        if instead and rule and not rule.after:
            return instead
        call.outcome = (rule and rule.operation) or call.outcome
        self._world.age()
        call.processed = self._world.touched = True  # a mere look moves operations too
        reply = self._service.answer(call)
        _stamp(call, reply)
        return _bent(instead or reply, rule) if rule else reply

    def _instead(self, call: Call, rule: Rule) -> Reply | None:
        now = self._world.clock.now()
        if rule.aadsts:
            status, document = entra.error(rule.aadsts, f"{now:%Y-%m-%d %H:%M:%SZ}", "Injected")
            return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
        if rule.cae and call.principal and not call.principal.answered_challenge:
            return _challenge(self._world, int(now.timestamp()))
        answer = rule.answer(now)
        return Reply(*answer) if answer else None


def _challenge(world: World, now: int) -> Reply:
    """A claims challenge of continuous access evaluation (contract §2.4)."""
    wanted = {"access_token": {"nbf": {"essential": True, "value": str(now)}}}
    claims = base64.b64encode(json.dumps(wanted).encode()).decode()
    authority = f"{world.origins.login}/common/oauth2/authorize"
    header = f'Bearer authorization_uri="{authority}", error="insufficient_claims", claims="{claims}"'
    return Reply(401, b"", {"WWW-Authenticate": header})


def _bent(reply: Reply, rule: Rule) -> Reply:
    if rule.truncated_json:
        reply.body = reply.body[: max(1, len(reply.body) // 2)]
    if rule.hostile_location:
        hostile = _HOSTILE if rule.hostile_location is True else str(rule.hostile_location)
        reply.headers = {
            name: hostile if name.lower() in _LINK_HEADERS else value for name, value in reply.headers.items()
        }
        reply.body = re.sub(rb'("@odata\.next[Ll]ink": *)"[^"]*"', rb'\1"' + hostile.encode() + b'"', reply.body)
    removed = {name.lower() for name in rule.remove_headers}
    reply.headers = {name: value for name, value in reply.headers.items() if name.lower() not in removed}
    if not rule.status:
        reply.headers |= rule.headers
    return reply


def _stamp(call: Call, reply: Reply) -> None:
    """Add the service's time and the request ids that support asks for (contract §1.4)."""
    reply.headers.setdefault("Date", format_datetime(call.world.clock.now(), usegmt=True))
    given = call.headers.get("x-ms-correlation-id") or call.headers.get("x-ms-client-request-id")
    reply.headers.setdefault("x-ms-request-id", f"{call.world.journal.last:032x}")
    reply.headers.setdefault("x-ms-correlation-request-id", given or f"{call.world.journal.last:032x}")


async def _trickle(request: web.Request, reply: Reply, pause: float) -> web.StreamResponse:
    """Send the body byte by byte, for clients that need a deadline for the whole."""
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    for byte in reply.body:
        await asyncio.sleep(pause)
        await response.write(bytes([byte]))
    return response


def _drop(request: web.Request) -> web.Response:
    """Cut the connection without an answer."""
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)
