"""Time stamps (RFC 3161): an authority outside says when a checkpoint existed at the latest.

Off unless an authority is configured. The log is signed for whether or not the authority answers: it is asked by a
task of its own, and asked again until it has answered.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import httpx
import structlog
from cryptography import x509
from django.conf import settings
from django.utils.translation import gettext_noop as noop
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from rfc3161_client.tsp import PKIStatus, TimeStampRequest

from audit_app import tree
from audit_app.models import Checkpoint, CheckpointTimestamp
from core_app import clock
from core_app.errors import DomainError

log = structlog.get_logger(__name__)

STAMPED_EVERY: Final = timedelta(hours=1)
PENDING_AFTER: Final = timedelta(hours=1, minutes=15)
_SECONDS: Final = 10.0  # that the authority may be silent, and once more that its whole answer may take
_MOST: Final = 64 * 1024  # bytes of an answer; a token with its certificates has about 6,000
_QUERY, _REPLY = "application/timestamp-query", "application/timestamp-reply"


class TimestampError(DomainError):
    """The authority did not answer, or what it answered is no time stamp of this; the text says which."""


class NoCertificatesError(TimestampError):
    """This host has no certificates to verify a time stamp with."""


def is_configured() -> bool:
    """Say whether this installation has a time-stamp authority."""
    return bool(settings.LOG_TSA_URL)


def stamp_due() -> list[CheckpointTimestamp]:
    """Have each tenant's newest checkpoint stamped, once an hour; what cannot be had now is asked for again."""
    stamped: list[CheckpointTimestamp] = []
    for tenant_id in tree.tenants() if is_configured() else ():
        checkpoint = Checkpoint.objects.filter(tenant=tenant_id).order_by("-signed_at", "-size").first()
        last = _last_received(tenant_id)
        if checkpoint is None or (last and clock.now() < last + STAMPED_EVERY):
            continue
        try:
            stamped.append(stamp(checkpoint))
        except TimestampError as error:
            log.error("checkpoint_not_timestamped", tenant=str(tenant_id), reason=str(error))  # noqa: TRY400 - tried again
            break  # the others would wait for the same authority
    return stamped


def stamp(checkpoint: Checkpoint) -> CheckpointTimestamp:
    """Return the time stamp of a checkpoint; the authority is asked when there is none yet.

    Raises:
        TimestampError: there is none, and none can be had now.
    """
    found = CheckpointTimestamp.objects.filter(checkpoint=checkpoint).first()
    if found:
        return found
    content = checkpoint.note.encode()
    request = TimestampRequestBuilder(data=content, hash_algorithm=HashAlgorithm.SHA256).build()
    reply = _asked(request.as_bytes())
    known = {
        "tenant_id": checkpoint.tenant_id,
        "authority": settings.LOG_TSA_URL,
        "stamped_at": opened(reply, content, request),
        "received_at": clock.now(),
        "reply": reply,
    }
    return CheckpointTimestamp.objects.get_or_create(checkpoint=checkpoint, defaults=known)[0]


def opened(reply: bytes, content: bytes, request: TimeStampRequest | None = None) -> datetime:
    """Return when the authority saw the content, once its answer is found to be about it and to be the authority's.

    Args:
        reply: A TimeStampResp in DER.
        content: What was stamped.
        request: What was asked, right after asking: the answer must carry its nonce.

    Raises:
        NoCertificatesError: this host cannot tell.
        TimestampError: it is not.
    """
    verifier = VerifierBuilder(roots=_certificates(), nonce=request.nonce if request else None).build()
    try:
        response = decode_timestamp_response(reply)
        if response.status != PKIStatus.GRANTED:
            raise TimestampError(
                noop("The time-stamp authority refused (status %(status)s).") % {"status": response.status}
            )
        verifier.verify_message(response, content)
    except (VerificationError, ValueError) as error:
        raise TimestampError(
            noop("It is no time stamp of this by an authority that is trusted: %(reason)s.") % {"reason": error}
        ) from error
    return response.tst_info.gen_time


def pending_since(tenant_id: UUID) -> datetime | None:
    """Return since when a tenant's log waits for a time stamp; None when it does not, or no authority is configured."""
    signed = Checkpoint.objects.filter(tenant=tenant_id).order_by("signed_at").values_list("signed_at", flat=True)
    since = _last_received(tenant_id) or signed.first()
    return since if is_configured() and since and clock.now() > since + PENDING_AFTER else None


def _last_received(tenant_id: UUID) -> datetime | None:
    received = CheckpointTimestamp.objects.filter(tenant=tenant_id).order_by("-received_at")
    return received.values_list("received_at", flat=True).first()


def _certificates() -> list[x509.Certificate]:
    """Return the certificates that are trusted: the authority's root, and what is between it and those that stamp."""
    try:
        return x509.load_pem_x509_certificates(Path(settings.LOG_TSA_CERTIFICATES).read_bytes())
    except (OSError, ValueError) as error:
        raise NoCertificatesError(
            noop(
                "Time stamps cannot be verified on this host: ELM_LOG_TSA_CERTIFICATES names no file "
                "with the authority's certificates (PEM)."
            )
        ) from error


def _asked(query: bytes) -> bytes:
    """Send a request to the authority; return its answer, whatever it says.

    Raises:
        TimestampError: there is none, or it is none of a time-stamp authority.
    """
    begin, answer = time.monotonic(), b""
    try:
        with httpx.stream(
            "POST", settings.LOG_TSA_URL, content=query, headers={"Content-Type": _QUERY}, timeout=_SECONDS
        ) as response:
            response.raise_for_status()
            for part in response.iter_raw():
                answer += part
                if len(answer) > _MOST or time.monotonic() > begin + _SECONDS:
                    raise TimestampError(noop("The time-stamp authority's answer is too large or takes too long."))
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TimestampError(
            noop("The time-stamp authority does not answer: %(reason)s.") % {"reason": error or type(error).__name__}
        ) from error
    if response.headers.get("Content-Type", "").partition(";")[0].strip().lower() != _REPLY:
        raise TimestampError(noop("Whoever answers at ELM_LOG_TSA_URL is no time-stamp authority."))
    return answer
