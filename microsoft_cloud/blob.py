"""Azure Blob storage as evidence store: written once, protected from change, read back (contract §15).

Nothing here deletes or replaces. A protection that the service does not confirm in its own words counts as missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from enum import StrEnum
from xml.etree import ElementTree

import httpx

from core_app import clock

from .errors import CloudError, ConflictError, ConflictKind, PermanentError, TransientError
from .http import LIST_CAP, Answer, Session

CONTENT_CAP = 100_000_000  # bytes of one blob, written in one call and read in one
CLOCKS_DIFFER_BY = timedelta(seconds=60)  # more, and the time that the service attests to is in doubt
_MOST_PAGES = 1000  # of 5000 names each
_UNTIL = "x-ms-immutability-policy-until-date"
_MODE = "x-ms-immutability-policy-mode"
_HOLD = "x-ms-legal-hold"
_CONTAINER = re.compile(r"(?=.{3,63}\Z)[a-z0-9]+(-[a-z0-9]+)*")
_NAME = re.compile(r"(?=.{1,1024}\Z)[A-Za-z0-9][A-Za-z0-9._=-]*(/[A-Za-z0-9][A-Za-z0-9._=-]*)*")


class PolicyMode(StrEnum):
    """Whether a policy can still be shortened or removed by somebody with the right to do so."""

    UNLOCKED = "unlocked"
    LOCKED = "locked"  # for ever: it can only be extended


@dataclass(frozen=True)
class ImmutabilityPolicy:
    """Until when a blob can be neither changed nor deleted; what it is asked for is rounded up to a whole second."""

    until: datetime
    mode: PolicyMode = PolicyMode.UNLOCKED

    def __post_init__(self) -> None:
        if self.until.tzinfo is None:
            raise ValueError("The end of an immutability policy needs a time zone.")

    def satisfies(self, wanted: ImmutabilityPolicy) -> bool:
        """Say whether a blob with this policy is protected as was wanted, or for longer."""
        return self.mode is wanted.mode and self.until >= wanted.until

    def headers(self) -> dict[str, str]:
        """Return the policy as the service is told; HTTP knows no fractions of seconds, so the next whole one."""
        until = self.until.astimezone(UTC)
        if until.microsecond:
            until = until.replace(microsecond=0) + timedelta(seconds=1)
        return {_UNTIL: format_datetime(until, usegmt=True), _MODE: self.mode.value}

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> ImmutabilityPolicy | None:
        """Read what the service confirms; anything short of a date and a known mode is no policy."""
        try:
            return cls(parsedate_to_datetime(headers[_UNTIL]), PolicyMode(headers[_MODE].lower()))
        except (KeyError, ValueError, OverflowError):
            return None


@dataclass(frozen=True)
class Blob:
    """What the service says about one blob.

    Attributes:
        size: bytes.
        version_id: "" where the account keeps no versions.
        policy: None when there is none, or none that we understand.
        seen_at: when the service said so, by its own clock; None when it does not tell.
    """

    container: str
    name: str
    size: int
    content_type: str
    etag: str
    version_id: str
    policy: ImmutabilityPolicy | None
    has_legal_hold: bool
    seen_at: datetime | None


class BlobClient:
    """Writes, protects and reads blobs of one storage account."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def write_once(
        self,
        container: str,
        name: str,
        content: bytes,
        *,
        content_type: str = "application/octet-stream",
        policy: ImmutabilityPolicy | None = None,
        legal_hold: bool = False,
    ) -> Blob:
        """Write a blob that must not exist yet, protected in the same call, and return it as it was read back.

        Raises:
            ConflictError: ALREADY_EXISTS: read it and compare, since an earlier answer may have been lost;
                UNKNOWN also when the container has no version-level immutability.
            PermanentError: code NotProtected: it is written, but without the protection that was asked for;
                code ContentTooLarge: more than 100 MB, nothing was sent.
        """
        if len(content) > CONTENT_CAP:
            message = f"{name} has more than {CONTENT_CAP} bytes; nothing was sent."
            raise PermanentError(message, service=self._session.service.value, code="ContentTooLarge")
        headers = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*", "Content-Type": content_type}
        headers |= policy.headers() if policy else {}
        headers |= {_HOLD: "true"} if legal_hold else {}
        self._write(container, name, headers, content=content)
        return self._read_back(container, name, len(content), policy, legal_hold)

    def keep(
        self,
        container: str,
        name: str,
        content: bytes,
        *,
        content_type: str = "application/octet-stream",
        policy: ImmutabilityPolicy | None = None,
        legal_hold: bool = False,
    ) -> Blob:
        """Have a blob of exactly these bytes, protected as asked: written now, or by a call whose answer was lost.

        It can be repeated under the same name, and never replaces anything.

        Raises:
            ConflictError: code OtherContent: other bytes have the name; a person has to find out whose they are.
            PermanentError: code NotProtected: it is there without the protection that was asked for;
                code ClocksDiffer: it is there, but the service's clock is not within a minute of ours.
        """
        try:
            found = self.write_once(
                container, name, content, content_type=content_type, policy=policy, legal_hold=legal_hold
            )
        except ConflictError as conflict:
            if conflict.kind not in (ConflictKind.ALREADY_EXISTS, ConflictKind.IMMUTABLE):
                raise
            if self.get(container, name) != content:
                raise self._other_content(name, conflict) from conflict
            found = self._read_back(container, name, len(content), policy, legal_hold)
        self._require_same_time(found)
        return found

    def set_immutability_policy(self, container: str, name: str, policy: ImmutabilityPolicy) -> ImmutabilityPolicy:
        """Protect a blob until a date, or extend its protection; return the policy that the service confirmed.

        Raises:
            ConflictError: IMMUTABLE: a locked policy can only be extended.
            NotFoundError: no such blob.
            PermanentError: code NotProtected: the service did not confirm the policy.
        """
        answer = self._write(container, name, policy.headers(), comp="immutabilityPolicies")
        found = ImmutabilityPolicy.parse(answer.headers)
        if found is None or not found.satisfies(policy):
            raise self._not_protected(name, answer.status)
        return found

    def set_legal_hold(self, container: str, name: str, *, held: bool) -> None:
        """Place a blob under legal hold, or release it.

        Raises:
            NotFoundError: no such blob.
            PermanentError: code NotProtected: the service did not confirm the hold or its release.
        """
        answer = self._write(container, name, {_HOLD: str(held).lower()}, comp="legalhold")
        if answer.headers.get(_HOLD, "").lower() != str(held).lower():
            raise self._not_protected(name, answer.status)

    def head(self, container: str, name: str) -> Blob:
        """Return what the service says about a blob: the proof that it is protected.

        Raises:
            NotFoundError: no such blob, or no such container.
        """
        answer = self._session.read(_path(container, name), method="HEAD", headers=self._headers())
        return _blob(container, name, answer)

    def get(self, container: str, name: str) -> bytes:
        """Return the content of a blob.

        Raises:
            NotFoundError: no such blob, or no such container. ResponseTooLargeError: more than 100 MB.
        """
        return self._session.read(_path(container, name), headers=self._headers(), cap=CONTENT_CAP).body

    def names(self, container: str, prefix: str) -> Iterator[str]:
        """Yield the names of a container's blobs that begin so, in order, whoever wrote them.

        Raises:
            NotFoundError: no such container. TransientError: code UnreadableAnswer: a page is no list of blobs.
            PermanentError: code TooManyPages.
        """
        query = {"restype": "container", "comp": "list", "prefix": prefix}
        for _ in range(_MOST_PAGES):
            page = self._session.read(_path(container), params=query, headers=self._headers(), cap=LIST_CAP)
            listing = _parsed(page)
            yield from (name.text or "" for name in listing.iterfind("Blobs/Blob/Name"))
            marker = listing.findtext("NextMarker")
            if not marker:
                return
            query["marker"] = marker
        raise PermanentError("The list does not end.", service=self._session.service.value, code="TooManyPages")

    def _write(
        self, container: str, name: str, headers: Mapping[str, str], *, comp: str = "", content: bytes = b""
    ) -> Answer:
        return self._session.write(
            "PUT",
            _path(container, name),
            params={"comp": comp} if comp else None,
            content=content,
            headers={**self._headers(), **headers},
        )

    def _read_back(
        self, container: str, name: str, size: int, policy: ImmutabilityPolicy | None, legal_hold: bool
    ) -> Blob:
        """Look at what was written; whatever goes wrong from here on, it is there."""
        try:
            found = self.head(container, name)
        except CloudError as error:
            error.maybe_executed = True
            raise
        is_protected = policy is None or (found.policy is not None and found.policy.satisfies(policy))
        if found.size != size or not is_protected or (legal_hold and not found.has_legal_hold):
            raise self._not_protected(name, httpx.codes.CREATED)
        return found

    def _require_same_time(self, found: Blob) -> None:
        now = clock.now()
        if found.seen_at is None or abs(found.seen_at - now) > CLOCKS_DIFFER_BY:
            theirs = f"{found.seen_at:%F %T}" if found.seen_at else "unknown"
            raise PermanentError(
                f"{found.name} is stored, but storage's clock ({theirs} UTC) and ours ({now:%F %T} UTC) differ: the "
                "time it was stored at proves nothing. Correct the clock and repeat.",
                service=self._session.service.value,
                code="ClocksDiffer",
                maybe_executed=True,
            )

    def _other_content(self, name: str, conflict: ConflictError) -> ConflictError:
        message = f"{name} exists already and holds other bytes; nothing was changed. Find out who wrote them."
        return ConflictError(message, ConflictKind.ALREADY_EXISTS, **(conflict.facts() | {"code": "OtherContent"}))

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "*/*",
            "x-ms-version": self._session.endpoints.versions.blob,
            "x-ms-date": format_datetime(clock.now().astimezone(UTC), usegmt=True),
        }

    def _not_protected(self, name: str, status: int) -> PermanentError:
        return PermanentError(
            f"The blob service accepted {name} but does not confirm that it is kept as asked.",
            service=self._session.service.value,
            status=status,
            code="NotProtected",
            maybe_executed=True,
        )


def _path(container: str, name: str | None = None) -> str:
    """Return the path of a blob, or of its container, made of characters that need no escaping.

    Raises:
        PermanentError: a name that we would never give (code ``InvalidIdentifier``), so no call is made.
    """
    if not (_CONTAINER.fullmatch(container) and (name is None or _NAME.fullmatch(name))):
        raise PermanentError("The container or the name of the blob is not acceptable.", code="InvalidIdentifier")
    return f"/{container}" if name is None else f"/{container}/{name}"


def _parsed(answer: Answer) -> ElementTree.Element:
    """Return the list that the service answers with; only that is XML here."""
    try:  # external entities are never fetched, expat bounds what others expand to, the session bounds the rest
        found = ElementTree.fromstring(answer.body)  # noqa: S314
    except ElementTree.ParseError:
        found = None
    if found is None or found.find("Blobs") is None:
        raise TransientError(
            f"The blob service answered {answer.status} with a body that is no list of blobs.",
            service=answer.session.service.value,
            status=answer.status,
            code="UnreadableAnswer",
        )
    return found


def _blob(container: str, name: str, answer: Answer) -> Blob:
    size = answer.headers.get("Content-Length", "")
    return Blob(
        container=container,
        name=name,
        size=int(size) if size.isdecimal() else -1,
        content_type=answer.headers.get("Content-Type", ""),
        etag=answer.headers.get("ETag", ""),
        version_id=answer.headers.get("x-ms-version-id", ""),
        policy=ImmutabilityPolicy.parse(answer.headers),
        has_legal_hold=answer.headers.get(_HOLD, "").lower() == "true",
        seen_at=answer.served_at,
    )
