"""Azure Blob storage with version-level immutability and legal hold (contract §15, E25)."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from xml.sax.saxutils import escape

from simulator.calls import Call, Refused, Reply, Routes, Service, require_audience
from simulator.directory import Blob, Container, Tenant

AUDIENCE = "https://storage.azure.com"
routes = Routes()
_OLDEST_VERSION = "2020-06-12"
_UNTIL = "x-ms-immutability-policy-until-date"
_MODE = "x-ms-immutability-policy-mode"
_HOLD = "x-ms-legal-hold"
_PAGE = 5000
_XML = '<?xml version="1.0" encoding="utf-8"?>'


@routes.on("PUT", "/{container}")
def create_container(call: Call) -> Reply:
    """Create a container; here it has version-level WORM."""
    containers = _tenant(call).containers
    if call.parameters["container"] in containers:
        raise Refused(409, "ContainerAlreadyExists", "The specified container already exists.")
    containers[call.parameters["container"]] = Container()
    return Reply(201)


@routes.on("GET", "/{container}")
def get_container(call: Call) -> Reply:
    """List the blobs of a container by prefix, a page at a time, or tell that it is there."""
    container = _container(call)
    if call.query.get("comp") != "list":
        return _exists(container)
    prefix, first = call.query.get("prefix", ""), _unmarked(call.query.get("marker", ""))
    names = [name for name in sorted(container.blobs) if name.startswith(prefix) and name >= first]
    size = min(int(call.query.get("maxresults", _PAGE)), _PAGE)
    items = "".join(_listed(name, container.blobs[name]) for name in names[:size])
    following = "".join(_marked(name) for name in names[size : size + 1])
    listing = f"<Blobs>{items}</Blobs><NextMarker>{following}</NextMarker>"
    name = escape(call.parameters["container"])
    document = f'{_XML}<EnumerationResults ContainerName="{name}">{listing}</EnumerationResults>'
    return Reply(200, document.encode("utf-8-sig"), {"Content-Type": "application/xml"})  # it begins with a mark, too


@routes.on("HEAD", "/{container}")
def head_container(call: Call) -> Reply:
    """Tell that a container is there."""
    return _exists(_container(call))


@routes.on("PUT", "/{container}/{blob:path}")
def put(call: Call) -> Reply:
    """Write a blob, set its policy or its legal hold."""
    handler = {"immutabilitypolicies": _set_policy, "legalhold": _set_hold}.get(call.query.get("comp", "").lower())
    return handler(call) if handler else _put_blob(call)


@routes.on("GET", "/{container}/{blob:path}")
def get(call: Call) -> Reply:
    """Read a blob, whole or by range."""
    found = _blob(call)
    window = re.fullmatch(r"bytes=(\d+)-(\d*)", call.headers.get("x-ms-range") or call.headers.get("range", ""))
    if window:
        start, end = int(window[1]), int(window[2] or len(found.content))
        chunk = found.content[start : end + 1]
        span = f"bytes {start}-{start + len(chunk) - 1}/{len(found.content)}"
        return Reply(206, chunk, _headers(found) | {"Content-Range": span})
    return Reply(200, found.content, _headers(found))


@routes.on("HEAD", "/{container}/{blob:path}")
def head(call: Call) -> Reply:
    """Read back the properties, immutability among them."""
    found = _blob(call)
    return Reply(200, b"", _headers(found) | {"Content-Length": str(len(found.content))})


@routes.on("DELETE", "/{container}/{blob:path}")
def delete(call: Call) -> Reply:
    """Delete a blob that nothing protects, or an unlocked policy."""
    found = _blob(call)
    if call.query.get("comp", "").lower() == "immutabilitypolicies":
        if found.mode == "Locked":
            raise _immutable("Policy")
        found.until, found.mode = None, ""
        return Reply(200)
    _require_unprotected(call, found)
    del _container(call).blobs[call.parameters["blob"]]
    return Reply(202)


def _put_blob(call: Call) -> Reply:
    container, name = _container(call), call.parameters["blob"]
    if call.headers.get("x-ms-blob-type", "").lower() != "blockblob":
        raise Refused(400, "MissingRequiredHeader", "x-ms-blob-type must be BlockBlob.")
    if existing := container.blobs.get(name):
        if call.headers.get("if-none-match") == "*":
            raise Refused(409, "BlobAlreadyExists", "The specified blob already exists.")
        if call.headers.get("if-match", existing.etag) not in (existing.etag, "*"):
            raise Refused(
                412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met."
            )
        _require_unprotected(call, existing)
    content_type = call.headers.get("x-ms-blob-content-type") or call.headers.get("content-type")
    metadata = {key: value for key, value in call.headers.items() if key.startswith("x-ms-meta-")}
    found = Blob(call.body, content_type or "application/octet-stream", call.world.clock.now(), metadata)
    if call.headers.get(_UNTIL):
        _apply_policy(call, found)
    if call.headers.get(_HOLD):
        _require_worm(call)
        found.legal_hold = call.headers[_HOLD].lower() == "true"
    container.blobs[name] = found
    return Reply(201, b"", _headers(found))


def _set_policy(call: Call) -> Reply:
    found = _blob(call)
    _apply_policy(call, found)
    return Reply(200, b"", _immutability(found))


def _set_hold(call: Call) -> Reply:
    found = _blob(call)
    _require_worm(call)
    found.legal_hold = call.headers.get(_HOLD, "").lower() == "true"
    return Reply(200, b"", {_HOLD: str(found.legal_hold).lower()})


def _apply_policy(call: Call, found: Blob) -> None:
    """Set or extend; what is locked can only be extended."""
    _require_worm(call)
    try:
        until = parsedate_to_datetime(call.headers.get(_UNTIL, ""))
    except ValueError as error:
        raise Refused(400, "InvalidHeaderValue", f"{_UNTIL} is not an RFC 1123 date.") from error
    if until <= call.world.clock.now():
        raise Refused(400, "InvalidHeaderValue", f"{_UNTIL} must be in the future.")
    mode = call.headers.get(_MODE, "unlocked").capitalize()
    if mode not in ("Locked", "Unlocked"):
        raise Refused(400, "InvalidHeaderValue", f"{_MODE} must be locked or unlocked.")
    if found.mode == "Locked" and (mode != "Locked" or (found.until and until < found.until)):
        raise _immutable("Policy")
    found.until, found.mode = until, mode


def _require_worm(call: Call) -> None:
    if not _container(call).version_level_worm:
        message = "Version-level immutability is not enabled on the container."
        raise Refused(409, "ContainerImmutableStorageWithVersioningNotEnabled", message)


def _require_unprotected(call: Call, found: Blob) -> None:
    container, now = _container(call), call.world.clock.now()
    if found.legal_hold or container.legal_holds:
        raise _immutable("LegalHold")
    kept = found.modified + timedelta(days=container.policy.days) if container.policy else now
    if max(found.until or now, kept) > now:
        raise _immutable("Policy")


def _immutable(reason: str) -> Refused:
    message = f"This operation is not permitted as the blob is immutable due to a {reason.lower()}."
    return Refused(409, f"BlobImmutableDueTo{reason}", message)


def _headers(found: Blob) -> dict[str, str]:
    headers = {"ETag": found.etag, "Last-Modified": _http_date(found.modified), "x-ms-blob-type": "BlockBlob"}
    headers |= {
        "Content-Type": found.content_type,
        "x-ms-version-id": found.modified.isoformat(),
        "Accept-Ranges": "bytes",
    }
    return headers | found.metadata | _immutability(found)


def _immutability(found: Blob) -> dict[str, str]:
    headers = {_HOLD: "true"} if found.legal_hold else {}
    return headers | ({_UNTIL: _http_date(found.until), _MODE: found.mode.lower()} if found.until else {})


def _exists(container: Container) -> Reply:
    worm = str(container.version_level_worm).lower()
    modified = _http_date(datetime.fromtimestamp(0, UTC))
    return Reply(200, b"", {"x-ms-immutable-storage-with-versioning-enabled": worm, "Last-Modified": modified})


def _listed(name: str, found: Blob) -> str:
    properties = {
        "Last-Modified": _http_date(found.modified),
        "Etag": found.etag,
        "Content-Length": str(len(found.content)),
        "Content-Type": found.content_type,
        "BlobType": "BlockBlob",
    }
    inner = "".join(f"<{key}>{escape(value)}</{key}>" for key, value in properties.items())
    return f"<Blob><Name>{escape(name)}</Name><Properties>{inner}</Properties></Blob>"


def _marked(name: str) -> str:
    """Return a marker, which nobody should read."""
    return f"2!{urlsafe_b64encode(name.encode()).decode()}"


def _unmarked(marker: str) -> str:
    try:
        return urlsafe_b64decode(marker.removeprefix("2!")).decode()
    except ValueError as error:
        raise Refused(400, "InvalidQueryParameterValue", "The marker is none that was given out.") from error


def _http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


def _blob(call: Call) -> Blob:
    found = _container(call).blobs.get(call.parameters["blob"])
    if found is None:
        raise Refused(404, "BlobNotFound", "The specified blob does not exist.")
    return found


def _container(call: Call) -> Container:
    found = _tenant(call).containers.get(call.parameters["container"])
    if found is None:
        raise Refused(404, "ContainerNotFound", "The specified container does not exist.")
    return found


def _tenant(call: Call) -> Tenant:
    return call.world.tenants[call.caller.tenant_id]


def _admit(call: Call) -> None:
    require_audience(call, AUDIENCE)
    if call.headers.get("x-ms-version", "") < _OLDEST_VERSION:
        raise Refused(400, "InvalidHeaderValue", f"x-ms-version must be {_OLDEST_VERSION} or later.")


def _render(refused: Refused, _call: Call) -> Reply:
    code = "InvalidAuthenticationInfo" if refused.status == 401 else refused.code
    document = f"{_XML}<Error><Code>{code}</Code><Message>{escape(refused.message)}</Message></Error>"
    return Reply(refused.status, document.encode(), {"Content-Type": "application/xml", "x-ms-error-code": code})


SERVICE = Service("blob", routes, _admit, _render)
