"""What a failed answer means: reading error bodies tolerantly and sorting them (contract §1.4, §2.4, §3)."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape

from .endpoints import Service
from .errors import (
    AuthenticationError,
    CloudError,
    ConflictError,
    ConflictKind,
    Facts,
    NotFoundError,
    NotReadyError,
    PermanentError,
    ThrottledError,
    TransientError,
    UntrustedUrlError,
)
from .fields import dig, text

LONGEST_RETRY_AFTER = 300.0
DEFAULT_RETRY_AFTER = 15.0

_NOT_READY = frozenset(
    {
        "ServiceToServiceEnvironmentNotFound",
        "PrincipalDoesNotExist",
        "userNotLicensed",
        "EnvironmentIdInvalid",
        "0x80072560",
    }
)
_REFUSES_THE_REQUEST_NOT_THE_CALLER = frozenset({"LinkedEnvironmentForbiddenOperation", "SecretDisabled"})
_CONFLICTS = {
    "": ConflictKind.BUSY,
    "OperationNotStartable": ConflictKind.BUSY,
    "DomainNameAlreadyInUse": ConflictKind.DOMAIN_IN_USE,
    "InsufficientCapacity_StorageDriven": ConflictKind.CAPACITY,
    "GovernanceConfigurationChangeBlockedByGroup": ConflictKind.LOCKED_BY_GROUP,
    "BlobAlreadyExists": ConflictKind.ALREADY_EXISTS,
    "BlobImmutableDueToPolicy": ConflictKind.IMMUTABLE,
    "BlobImmutableDueToLegalHold": ConflictKind.IMMUTABLE,
}
_DUPLICATE_KEY = "0x80040237"
_CLOCK_DURATION = re.compile(r"(\d{1,3}):(\d{2}):(\d{2})")
_CLAIMS = re.compile(r'claims="([^"]*)"')
_XML_CODE = re.compile(rb"<Code>([^<]{1,100})</Code>")
_XML_MESSAGE = re.compile(rb"<Message>([^<]*)</Message>")


@dataclass(frozen=True)
class Fault:
    """What an error body says."""

    code: str = ""
    inner_code: str = ""
    message: str = ""

    @property
    def codes(self) -> frozenset[str]:
        """The codes at both levels."""
        return frozenset({self.code, self.inner_code} - {""})


def fault_in(body: bytes, headers: Mapping[str, str]) -> Fault:
    """Read an error body of any shape: nested, flat, Entra's, validation, empty, XML or a gateway's HTML page."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return _fault_in_xml(body, headers)
    error = dig(data, "error")
    if isinstance(error, str):
        return Fault(error, "", text(data, "error_description"))
    error = error if isinstance(error, dict) else dig(data, "errorDetail") or data
    inner = text(error, "innererror", "code") or text(error, "innerError", "code")
    return Fault(text(error, "code") or headers.get("x-ms-error-code", ""), inner, text(error, "message"))


def _fault_in_xml(body: bytes, headers: Mapping[str, str]) -> Fault:
    """Read what Blob storage says; two patterns instead of a parser, so that no hostile document can do harm."""
    code, message = _XML_CODE.search(body), _XML_MESSAGE.search(body)
    return Fault(
        code=headers.get("x-ms-error-code", "") or (code[1].decode("ascii", "replace") if code else ""),
        message=unescape(message[1].decode("utf-8", "replace")) if message else "",
    )


def retry_after_seconds(value: str | None, now: datetime) -> float | None:
    """Read a Retry-After header as seconds between 0 and 300; None when absent or senseless.

    Understands delta seconds, an HTTP date and, defensively, ``10s`` and ``hh:mm:ss``.
    """
    if not value or not value.strip():
        return None
    seconds = _delta(value.strip())
    if seconds is None:
        seconds = _until(value, now)
    if seconds is None or math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _delta(value: str) -> float | None:
    clock = _CLOCK_DURATION.fullmatch(value)
    if clock:
        hours, minutes, seconds = (int(part) for part in clock.groups())
        return float(hours * 3600 + minutes * 60 + seconds)
    try:
        return float(value.removesuffix("s"))
    except ValueError:
        return None


def _until(value: str, now: datetime) -> float | None:
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now).total_seconds()


def claims_challenge(headers: Mapping[str, str]) -> str | None:
    """Return the claims that a 401 demands (Continuous Access Evaluation, §2.4), as JSON, or None."""
    challenge = headers.get("WWW-Authenticate", "")
    found = _CLAIMS.search(challenge)
    if not found or "insufficient_claims" not in challenge:
        return None
    encoded = found.group(1)
    try:
        claims = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_").decode()
        json.loads(claims)
    except (binascii.Error, ValueError):
        return None
    return claims


def request_ids_in(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that Microsoft's support asks for; their exact names differ per service."""
    return {
        name.lower(): value[:200]
        for name, value in headers.items()
        if name.lower() in {"request-id", "client-request-id", "x-correlation-id"}
        or (name.lower().startswith("x-ms-") and name.lower().endswith("-id"))
    }


@dataclass(frozen=True)
class FailedAnswer:
    """An answer with a status of 300 and above, and what is known about the call."""

    service: Service
    line: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_write: bool
    shows_message: bool
    now: datetime

    def error(self) -> CloudError:
        """Return the error whose class tells the caller what to do (§3.3)."""
        fault = fault_in(self.body, self.headers)
        facts = Facts(
            service=self.service.value,
            status=self.status,
            code=fault.code,
            request_ids=request_ids_in(self.headers),
        )
        wait = retry_after_seconds(self.headers.get("Retry-After"), self.now)
        if wait is not None:
            facts["retry_after"] = wait
        said = fault.message if self.shows_message else ""
        message = " ".join(part for part in (f"{self.line}: {self.status}", fault.code, said) if part)
        return self._sorted(fault, message, facts)

    def _sorted(self, fault: Fault, message: str, facts: Facts) -> CloudError:
        if self._is_not_ready(fault):
            return NotReadyError(message, **facts)
        if self.status == 409 or self._is_duplicate(fault):
            return ConflictError(message, self._conflict(fault), **facts)
        if self.status in {401, 403}:
            return self._refusal(fault)(message, **facts)
        if self.status < 400 or self.status == 408 or self.status >= 499:
            facts["maybe_executed"] = self.is_write
            redirected = self.status < 400
            return (UntrustedUrlError if redirected else TransientError)(message, **facts)
        return _BY_STATUS.get(self.status, PermanentError)(message, **facts)

    def _is_not_ready(self, fault: Fault) -> bool:
        """A refusal that time heals; a fresh organisation also says 401 for a while (§8.1)."""
        warms_up = self.service is Service.DATAVERSE and self.status == 401
        return warms_up or (self.status in range(400, 499) and bool(fault.codes & _NOT_READY))

    def _is_duplicate(self, fault: Fault) -> bool:
        """Dataverse says 400 or 412 for a duplicate key, sometimes without the code (§8.4); Blob may say 412 (§15)."""
        if self.service is Service.BLOB:
            return self.status == 412
        known = _DUPLICATE_KEY in fault.codes or "matching key values" in fault.message
        return self.service is Service.DATAVERSE and self.status in {400, 412} and known

    def _conflict(self, fault: Fault) -> ConflictKind:
        if self.status != 409:
            return ConflictKind.ALREADY_EXISTS
        return next((_CONFLICTS[code] for code in fault.codes or {""} if code in _CONFLICTS), ConflictKind.UNKNOWN)

    def _refusal(self, fault: Fault) -> type[CloudError]:
        """A 403 of one organisation is about its privileges; everywhere else the identity itself is at fault."""
        about_the_request = fault.codes & _REFUSES_THE_REQUEST_NOT_THE_CALLER or self.service is Service.DATAVERSE
        return PermanentError if about_the_request else AuthenticationError


_BY_STATUS: dict[int, type[CloudError]] = {404: NotFoundError, 425: TransientError, 429: ThrottledError}
