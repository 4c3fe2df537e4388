"""Names of environments: what people may call them and the domain name that makes a creation repeatable (elm.md §1)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from uuid import UUID

from django.utils.translation import gettext as _

_NAME = re.compile(r"[A-Z]{2,4}-[A-Za-z0-9]+-[A-Z]+")
MAX_NAME_LENGTH = 100
MIN_JUSTIFICATION = 20
_DOMAIN_LENGTH = 22
_SUFFIX_LENGTH = 8


def name_problem(name: str) -> str | None:
    """Return what is wrong with an environment name and how to fix it, or None when it is fine."""
    if len(name) > MAX_NAME_LENGTH:
        return _("is %(length)s characters long; use at most %(limit)s.") % {
            "length": len(name),
            "limit": MAX_NAME_LENGTH,
        }
    if _NAME.fullmatch(name):
        return None
    return _(
        "%(name)s does not follow the convention UNIT-Purpose-STAGE: two to four capital "
        "letters, a hyphen, letters and digits, a hyphen, capital letters; for example "
        "FIN-ClaimsIntake-PROD."
    ) % {"name": f"{name!r}"}


def justification_problem(text: str) -> str | None:
    """Return what is wrong with a business justification and how to fix it, or None when it is fine."""
    length = len("".join(text.split()))
    if length >= MIN_JUSTIFICATION:
        return None
    return _(
        "has %(length)s characters; say in at least %(min_justification)s what the business needs the environment for."
    ) % {"length": length, "min_justification": MIN_JUSTIFICATION}


def domain_name(environment_name: str, request_id: UUID, generation: int, key: bytes) -> str:
    """Return the domain name that identifies one creation attempt; the same inputs always give the same name.

    Args:
        environment_name: What people call it.
        request_id: The request.
        generation: 1 for the first environment of the request; a deleted one keeps its domain, so the next one counts
            on.
        key: Secret key of the installation, so that nobody outside can foresee and take the name.

    Returns:
        At most 22 characters: a slug, a hyphen and a keyed suffix; starts with a letter, lower case.
    """
    message = f"{request_id}/{generation}".encode()
    digest = hmac.new(key, message, hashlib.sha256).digest()
    suffix = base64.b32encode(digest).decode().lower()[:_SUFFIX_LENGTH]
    slug = re.sub(r"[^a-z0-9]+", "-", environment_name.lower()).strip("-")
    return f"{slug[: _DOMAIN_LENGTH - _SUFFIX_LENGTH - 1].rstrip('-')}-{suffix}"
