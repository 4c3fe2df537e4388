"""Messages that a worker cannot handle: set aside and told to the operators once per task, never tried again.

A message is a doorbell, so that nothing is lost with it; but one that cannot be handled says that programs of different
versions, or somebody else, speak to the workers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as noop
from kombu.exceptions import OperationalError as BrokerError

from accounts_app.models import Tenant
from core_app.one_by_one import each
from core_app.outage import outage_of
from core_app.redaction import without_secrets
from provisioning_app.choices import FindingKind
from provisioning_app.findings import Difference, open_finding
from provisioning_app.models import ReconciliationFinding

log = structlog.get_logger(__name__)

MOST_NAMES: Final = 20  # whoever can write to the broker invents names; they do not fill the log
OTHERS: Final = noop("further tasks")
NAMELESS: Final = noop("unnamed task")
_LONGEST_NAME: Final = 100

UNKNOWN: Final = noop("no worker of this version knows the task.")
_OTHER_ARGUMENTS: Final = noop("its arguments are not those of this version.")


def set_aside(task_name: object, reason: str) -> None:
    """Open a finding about a task's message with every tenant, unless one is open; its operators are told.

    Args:
        task_name: What the message calls its task. Anybody may have written it: shown are 100 printable characters.
        reason: Why it could not be handled, in a sentence of ours; nothing else of the message is shown.
    """
    name = _shown(task_name)
    log.error("message_set_aside", task=name, reason=reason)
    each(list(Tenant.objects.order_by("name")), partial(_open, name=name, reason=reason))


def unreadable(error: Exception | None) -> str:
    """Return the reason why a message is no task: what reading it raised, if anything."""
    if error is None:
        return noop("it could not be read; only JSON in Celery's form is accepted.")
    return noop("it could not be read (%(kind)s); only JSON in Celery's form is accepted.") % {
        "kind": type(error).__name__
    }


def name_in(message: Any) -> object:
    """Return what a message that could not be read calls its task, where it says so."""
    headers = getattr(message, "headers", None)
    return headers.get("task") if isinstance(headers, Mapping) else None


def reason_of_failure(
    run: Callable[..., object], error: Exception, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> str | None:
    """Return why a task failed with a message; None when the message is not to blame and the next tick may succeed.

    Args:
        run: The task's function.
        error: What it raised.
        args: The message's positional arguments.
        kwargs: Its named arguments.
    """
    if outage_of(error) or isinstance(error, BrokerError | OSError):
        return None
    try:
        inspect.signature(run).bind(*args, **kwargs)
    except TypeError:
        return _OTHER_ARGUMENTS
    return _("the task ended with %(type)s; the worker's log says more.") % {"type": type(error).__name__}


def _open(tenant: Tenant, *, name: str, reason: str) -> None:
    named = ReconciliationFinding.objects.filter(
        tenant=tenant, kind=FindingKind.DEAD_LETTER, resolved_at__isnull=True
    ).values_list("subject", flat=True)[: MOST_NAMES + 1]
    subject = name if name in (known := set(named)) or len(known) < MOST_NAMES else OTHERS
    detail = noop(
        "A message for %(task)s was set aside: %(reason)s Nothing is lost, messages only "
        "announce work; see that all workers and the scheduler run the same version."
    ) % {"task": subject, "reason": reason}
    open_finding(tenant.pk, Difference(FindingKind.DEAD_LETTER, subject, detail))


def _shown(task_name: object) -> str:
    printable = "".join(char for char in str(task_name or NAMELESS) if char.isprintable())
    return without_secrets(printable)[:_LONGEST_NAME] or NAMELESS
