"""What can go wrong when we call Microsoft, sorted by what the caller should do next (contract §3).

``str()`` of every error is one short line without secrets: safe to show, to log and to store.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import TypedDict, Unpack

from core_app.redaction import without_secrets

_SECRETS = re.compile(
    r"eyJ[\w-]+(?:\.[\w-]*){1,4}"  # JSON web tokens
    r"|(?i:bearer)\s+\S+"
    r"|-----BEGIN.*?(?:-----END[^-]*-----|\Z)"
    r"|(?i:(?<=client_secret=)|(?<=client_assertion=)|(?<=access_token=)|(?<=[?&]sig=))[^&\s\"']+",
    re.DOTALL,
)
_LONGEST_MESSAGE = 400


def redacted(text: str) -> str:
    """Return the text as one short line with tokens, keys, signatures and known secrets replaced by ``***``."""
    line = without_secrets(" ".join(_SECRETS.sub("***", without_secrets(text)).split()))
    printable = "".join(char for char in line if char.isprintable())
    return printable if len(printable) <= _LONGEST_MESSAGE else printable[: _LONGEST_MESSAGE - 1] + "…"


class Facts(TypedDict, total=False):
    """What an error may know about the call that failed."""

    service: str
    status: int | None
    code: str
    request_ids: Mapping[str, str]
    maybe_executed: bool
    retry_after: float | None


class CloudError(Exception):
    """A call to the Microsoft cloud did not give what was asked for.

    Attributes:
        service: a value of :class:`microsoft_cloud.endpoints.Service`, or "".
        status: the HTTP status, or None when there was no answer.
        code: Microsoft's error code ("OperationNotStartable", "AADSTS7000215", "0x80072560") or one of ours, or "".
        request_ids: the correlation headers of the answer, for a support case.
        maybe_executed: the change may have happened although we see an error: read before repeating it.
        retry_after: seconds the service asked us to wait (0 to 300), or None.
    """

    service: str = ""
    status: int | None = None
    code: str = ""
    request_ids: Mapping[str, str] = {}
    maybe_executed: bool = False
    retry_after: float | None = None

    def __init__(self, message: str = "", **facts: Unpack[Facts]) -> None:
        super().__init__(redacted(message))
        self.__dict__.update(facts)
        self.code = redacted(self.code)

    def facts(self) -> Facts:
        """Return what is known about the call, to raise another error about the same call."""
        return Facts(
            service=self.service,
            status=self.status,
            code=self.code,
            request_ids=self.request_ids,
            maybe_executed=self.maybe_executed,
            retry_after=self.retry_after,
        )


class TransientError(CloudError):
    """Try again later: an outage, a time-out, a lost connection, an answer nobody can read."""


class ThrottledError(TransientError):
    """429: not executed; come back after ``retry_after`` seconds (always set, 0 to 300)."""

    retry_after: float | None = 15.0


class NotReadyError(TransientError):
    """Not executed, because something just created is not known everywhere yet. Bounded by the caller's deadline.

    A fresh Dataverse organisation (AADSTS500011, 401, 0x80072560), a fresh environment, a user not yet synchronised.
    """


class PermanentError(CloudError):
    """Repeating the same call cannot help; a person or another input can."""


class NotFoundError(PermanentError):
    """404: it does not exist, or not any more."""


class AuthenticationError(PermanentError):
    """401, 403 or a permanent AADSTS error: nothing will work with this identity, so its tenant halts."""


class ResponseTooLargeError(PermanentError):
    """The answer is larger than the cap, counted after decompression; reading stopped there."""


class UntrustedUrlError(PermanentError):
    """A URL (Location, nextLink, instanceUrl, a redirect) leaves the hosts we trust; no token was sent there."""


class ConflictKind(StrEnum):
    """What a conflict means for the caller."""

    BUSY = "busy"  # another lifecycle operation runs, or an empty 409: re-read the environment, then wait
    DOMAIN_IN_USE = "domain in use"  # reconcile by domain name and tag (§5.11)
    CAPACITY = "capacity"  # less than 1 GB left: never retry
    LOCKED_BY_GROUP = "locked by group"  # settings come from the environment group
    ALREADY_EXISTS = "already exists"  # a Dataverse duplicate key or a blob: look it up
    IMMUTABLE = "immutable"  # a policy or a legal hold protects the blob
    UNKNOWN = "unknown"


class ConflictError(CloudError):
    """409 (or another word for a duplicate): not executed; ``kind`` says what to do. Read the state before deciding."""

    def __init__(self, message: str = "", kind: ConflictKind = ConflictKind.UNKNOWN, **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.kind = kind


class GroupProblem(StrEnum):
    """Why a name or id does not denote one group that can guard an environment."""

    NOT_FOUND = "not found"
    AMBIGUOUS = "ambiguous"
    NOT_SECURITY_ENABLED = "not security enabled"


class GroupError(PermanentError):
    """The security group asked for cannot be used; ``kind`` says why."""

    def __init__(self, message: str = "", kind: GroupProblem = GroupProblem.NOT_FOUND, **facts: Unpack[Facts]) -> None:
        super().__init__(message, **facts)
        self.kind = kind
