"""What a step gets and what it answers; shared by every step and by the runner."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils.translation import gettext_noop as noop

from accounts_app.tenant_settings import Baseline, Settings
from audit_app.actions import Action
from microsoft_cloud import Cloud
from provisioning_app.models import ProvisioningRun
from requests_app.models import EnvironmentRequest


@dataclass(frozen=True, slots=True)
class Proof:
    """One setting as it was, as it should be and as it was read back."""

    setting: str
    before: str
    desired: str
    after: str

    @property
    def holds(self) -> bool:
        """Say whether what was read back is what was desired."""
        return self.after == self.desired

    @property
    def difference(self) -> str:
        """Say what does not hold, as it is recorded."""
        sentence = noop("%(setting)s is %(found)s, not %(wanted)s")
        return sentence % {"setting": self.setting, "found": self.after, "wanted": self.desired}

    def as_json(self) -> dict[str, str]:
        """Return the proof with the SHA-256 of its content, as it is stored and logged."""
        content = {"setting": self.setting, "before": self.before, "desired": self.desired, "after": self.after}
        return {**content, "digest": hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()}


@dataclass(frozen=True, slots=True)
class Entry:
    """One log entry that a finished step leaves."""

    action: Action
    proofs: tuple[Proof, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Done:
    """The step's effect was read back.

    Attributes:
        entries: What to log.
        run: Columns of the run to set, for example ``environment_id``.
        exists_since: When the environment came to exist, where the step has found that out.
    """

    entries: tuple[Entry, ...] = ()
    run: Mapping[str, Any] = field(default_factory=dict)
    exists_since: datetime | None = None

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """Return the proofs of all entries."""
        return tuple(proof for entry in self.entries for proof in entry.proofs)


@dataclass(frozen=True, slots=True)
class Wait:
    """The step needs time; the row is the timer.

    Attributes:
        reason: What it waits for, for the screen.
        seconds: When to look again.
        facts: What to remember until then.
        run: Columns of the run to set, for example ``operation_url``.
    """

    reason: str
    seconds: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)


class StepFailedError(Exception):
    """Trying again cannot help; the text says why, for people.

    Attributes:
        run: Columns of the run to set, for example ``remote_state``.
    """

    def __init__(self, reason: str, **run: Any) -> None:
        super().__init__(reason)
        self.run = run


class DiffersError(Exception):
    """A step that may only look would have to change something; the text names what differs."""


class AttemptFailedError(Exception):
    """This attempt failed (a value did not read back as written); another one may succeed."""


@dataclass(frozen=True, slots=True)
class Context:
    """Everything a step may use.

    Attributes:
        request: What was asked for.
        run: The run, as read under the current lease.
        settings: The tenant settings the run pinned.
        cloud: Microsoft, as the provisioning principal, correlated by the run's id.
        facts: What the step remembered at its last ``Wait``.
        is_unknown: An earlier worker began this very attempt and left no result: what it did must be found out.
        now: The time.
        renew_lease: Prolongs the lease just before a call that must not happen twice; raises when it is lost.
        reserve_creation: Takes a place in the tenant's creations of this UTC day; returns when to ask again, or None.
        only_looks: The step may read and must change nothing: it checks what a person did in the portal.
    """

    request: EnvironmentRequest
    run: ProvisioningRun
    settings: Settings
    cloud: Cloud
    facts: Mapping[str, Any]
    is_unknown: bool
    now: datetime
    renew_lease: Callable[[], None]
    reserve_creation: Callable[[], datetime | None]
    only_looks: bool = False

    def before_change(self, *proofs: Proof) -> None:
        """Announce a change just before it is made.

        Args:
            proofs: What is read now and what is desired.

        Raises:
            DiffersError: the step may only look.
        """
        if self.only_looks:
            wrong = (proof.difference for proof in proofs if not proof.holds)
            raise DiffersError("; ".join(wrong) or noop("something is still to be changed"))

    @property
    def baseline(self) -> Baseline:
        """Return how environments of this zone are hardened."""
        return self.settings.baselines[self.request.zone]

    @property
    def tag(self) -> str:
        """Return the marker in the environment's description that says which request it belongs to."""
        return tag_of(self.request.pk)


def tag_of(request_id: UUID) -> str:
    """Return the marker that says which request an environment belongs to."""
    return f"elm:request={request_id}"


def text(value: Any) -> str:
    """Return a setting's value as proofs show it: ``true``, ``false``, ``none``, or the value."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def require_all(proofs: tuple[Proof, ...]) -> None:
    """Raise AttemptFailedError naming the settings that did not read back as desired."""
    wrong = [proof.difference for proof in proofs if not proof.holds]
    if wrong:
        raise AttemptFailedError(noop("Read back: %(what)s.") % {"what": "; ".join(wrong)})
