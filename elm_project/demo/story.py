"""The demo from beginning to end: start everything, hand in the sample payloads, decide, watch, sum up."""

from __future__ import annotations

import json
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import httpx
from django.core.management import call_command
from rich.console import Console
from rich.text import Text

from accounts_app.roles import Role
from audit_app.checkpoints import sign_now
from audit_app.verify import verify_log
from core_app import clock
from core_app.errors import DomainError
from elm_project.demo import chaos, people, simulator_seed, summary
from elm_project.demo.folder import Folder
from elm_project.demo.people import person_of
from elm_project.demo.processes import LOOPBACK, Supervisor, interruptible, listening_socket
from elm_project.demo.progress import Progress, rows_of
from elm_project.env import BASE_DIR
from gates_app import services as gates
from gates_app.levels import Outcome
from provisioning_app import services as provisioning
from requests_app import services as requests
from requests_app.choices import TERMINAL_STATES, State
from requests_app.models import EnvironmentRequest, IntakeReceipt

SAMPLES: Final = BASE_DIR / "samples" / "intake"
READY_SECONDS: Final = 60.0
STORY_SECONDS: Final = 300.0
_LOOK_SECONDS: Final = 0.25
_RETRIES: Final = 3
_ENDED: Final = TERMINAL_STATES | {State.FAILED}
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller wants; ports are free ones when None."""

    once: bool = False
    as_json: bool = False
    chaos: bool = False
    port: int | None = None
    simulator_port: int | None = None
    follow_parent: bool = False


def play(folder: Folder, options: Options, console: Console) -> list[str]:
    """Run the demo in this process, whose environment already points at the folder; return what went wrong.

    Args:
        folder: Where everything is kept.
        options: What the caller wants.
        console: Where people read; standard output itself carries only the JSON document, if one is wanted.

    Raises:
        DomainError: it could not start; the text says what to do.
        KeyboardInterrupt: it was interrupted before its end; everything it started is stopped.
    """
    people.require_database_of_the_demo()
    variables = folder.variables() | (chaos.VARIABLES if options.chaos else {})
    with (
        folder.held(),
        listening_socket(options.port, "--port") as web,
        interruptible(),
        Supervisor(
            folder.logs, variables | {"ELM_PUBLIC_URL": _address_of(web)}, follow_parent=options.follow_parent
        ) as supervisor,
    ):
        return _Story(folder, options, console, supervisor).tell(web)


def _address_of(web: socket.socket) -> str:
    return f"http://{LOOPBACK}:{web.getsockname()[1]}"


class _Story:
    def __init__(self, folder: Folder, options: Options, console: Console, supervisor: Supervisor) -> None:
        self.folder, self.options, self.console, self.supervisor = folder, options, console, supervisor
        self.chaos: chaos.Chaos | None = None

    def tell(self, web: socket.socket) -> list[str]:
        """Tell the whole story; return what went wrong."""
        address, password = f"{_address_of(web)}/", self.folder.password()
        self._say(f"Starting in {self.folder.root} …")
        simulator = self._start(password)
        summary.show_shortened(self.console, self._shortened)
        request_ids = self._hand_in()
        if self.options.chaos:
            self.chaos = chaos.begin(self.supervisor, self.folder.ready_file, request_ids)
        self._start_web(web)  # only now: the first seconds belong to the worker
        self._watch(request_ids)
        self._wait_for(lambda: _answers(address), "web application")
        problems = self._sum_up(request_ids)
        if not self.options.once:
            summary.show_logins(self.console, address, simulator, password)
            self._stay(problems)
        return problems

    @property
    def _shortened(self) -> Mapping[str, Any]:
        return chaos.SHORTENED if self.options.chaos else people.SHORTENED

    def _sum_up(self, request_ids: list[UUID]) -> list[str]:
        signed = sign_now()  # the last word: everything up to here is under a signature
        report = verify_log()
        survived = self.chaos.end(request_ids) if self.chaos else None
        summary.show(self.console, request_ids, report)
        summary.show_signed(self.console, signed)
        if survived:
            survived.show(self.console)
        if self.options.as_json:
            document = summary.document(request_ids, report, signed) | (
                {"chaos": survived.as_json()} if survived else {}
            )
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
        return summary.problems(request_ids, report) + (survived.problems if survived else [])

    def _say(self, text: str) -> None:
        self.console.print(Text(text))

    # Starting

    def _start(self, password: str) -> str:
        """Start what provisions and set the people up; return the address of the simulator's page."""
        is_new_cloud = self._start_simulator()
        call_command("migrate", interactive=False, verbosity=0)  # while the simulator starts
        self._start_workers()
        ready = self._wait_for(self._ready_document, "simulator")
        people.set_up(
            password=password,
            key_vault_url=ready["endpoints"]["key_vault"],
            shortened=self._shortened,
            is_new_cloud=is_new_cloud,
        )
        if not self.options.once:  # for those who stay and look at the credentials' screens
            people.take_inventory()
        return str(ready["control"])

    def _start_simulator(self) -> bool:
        """Start the simulator; say whether its world is a new one."""
        folder, port = self.folder, self.options.simulator_port
        if port is not None:
            listening_socket(port, "--simulator-port").close()
        is_new = simulator_seed.write(folder)
        folder.ready_file.unlink(missing_ok=True)
        files = {"--state-dir": folder.simulator, "--seed": folder.seed, "--ready-file": folder.ready_file}
        files["--state"] = folder.world
        arguments = [text for option, path in files.items() for text in (option, str(path))]
        arguments += [] if port is None else ["--port", str(port)]
        # Its certificate authority dies with it, and the others trust that one as long as they live
        self.supervisor.start("simulator", "-m", "simulator", *arguments, may_restart=False)
        return is_new

    def _start_workers(self) -> None:
        celery, quiet = ("-m", "celery", "--app", "elm_project", "--quiet"), ("--loglevel", "WARNING")
        few = ("--pool", "prefork", "--concurrency", "2", "--without-gossip", "--without-mingle")
        self.supervisor.start("worker", *celery, "worker", *few, *quiet)
        self.supervisor.start("beat", *celery, "beat", "--pidfile", "", *quiet)

    def _start_web(self, web: socket.socket) -> None:
        gunicorn = ("-m", "gunicorn", "elm_project.wsgi", "--worker-class", "gthread", "--threads", "8")
        options = ("--bind", f"fd://{web.fileno()}", "--no-control-socket")
        self.supervisor.start("web", *gunicorn, *options, pass_fds=(web.fileno(),))

    def _ready_document(self) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self.folder.ready_file.read_text())
        except FileNotFoundError:
            return None
        return document

    def _wait_for(self, look: Callable[[], _Answer | None], what: str) -> _Answer:
        """Look until there is an answer, minding the processes meanwhile."""
        deadline = time.monotonic() + READY_SECONDS
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise DomainError(f"The {what} did not answer within {READY_SECONDS:.0f} s; see {self.folder.logs}.")
            self.supervisor.tend()
            time.sleep(_LOOK_SECONDS)
        return found

    # The requests

    def _hand_in(self) -> list[UUID]:
        """Feed the sample payloads to the intake; return their requests, those of an earlier demo included."""
        payloads = sorted(SAMPLES.glob("*.json"))
        call_command("intake", *map(str, payloads), stdout=sys.stderr)
        return [_request_of(payload) for payload in payloads]

    def _watch(self, request_ids: list[UUID]) -> None:
        """Let the people decide and show the table until every request has ended or the time is up."""
        chances = _chances(request_ids)
        deadline = time.monotonic() + (chaos.STORY_SECONDS if self.options.chaos else STORY_SECONDS)
        with Progress(self.console) as progress:
            while time.monotonic() < deadline:
                self.supervisor.tend()
                _resume(chances)
                _decide(request_ids)
                rows = rows_of(request_ids)
                progress.show(rows)
                if all(row.state in _ENDED for row in rows):
                    return
                if self.chaos:
                    self.chaos.strike()
                time.sleep(_LOOK_SECONDS)

    def _stay(self, problems: list[str]) -> None:
        for problem in problems:
            self.console.print(Text(problem, style="red"))
        self._say("\nStop with Ctrl-C.")
        try:
            while True:
                self.supervisor.tend()
                time.sleep(_LOOK_SECONDS)
        except KeyboardInterrupt:
            self._say("\nStopping …")


def _request_of(payload: Path) -> UUID:
    external_id = json.loads(payload.read_text())["requestId"]
    return IntakeReceipt.objects.values_list("request", flat=True).get(external_id=external_id)


def _chances(request_ids: list[UUID]) -> dict[UUID, int]:
    """Return how often each request may be retried that an earlier demo, stopped too soon, left in provisioning.

    What was changing when the simulator stopped has failed there; and where the folder has lost the simulator's world,
    the operation and then the environment turn out to be gone before another is created.
    """
    middle = EnvironmentRequest.objects.filter(pk__in=request_ids, state__in=(State.PROVISIONING, State.FAILED))
    return dict.fromkeys(middle.values_list("pk", flat=True), _RETRIES)


def _resume(chances: dict[UUID, int]) -> None:
    """Let the operators send on what failed because the demo had been stopped."""
    left = [pk for pk, retries in chances.items() if retries]
    for request in EnvironmentRequest.objects.filter(pk__in=left, state=State.FAILED).select_related("tenant"):
        operator = person_of(request.tenant, Role.OPERATOR)
        if request.tenant.halted_reason:
            provisioning.resume(request.tenant_id, by=operator, reason="The demo was started again.")
        provisioning.retry(request.pk, by=operator, reason="The demo was started again.")
        chances[request.pk] -= 1


def _decide(request_ids: list[UUID]) -> None:
    """Let whoever may decide approve what waits for a person."""
    waiting = EnvironmentRequest.objects.filter(pk__in=request_ids, state=State.PENDING_APPROVAL)
    for request in waiting.select_related("gate"):
        stage = gates.current_stage(request.gate) if request.gate else None
        if stage is None or request.gate is None:
            continue  # Zone 1: the policy approves it when its objection window ends
        decider = stage.assigned_to or gates.eligible_people(request.gate, stage)[0]
        decider.authenticated_at = clock.now()  # the demo plays the people; here they have just signed in
        requests.decide(
            request.pk,
            by=decider,
            outcome=Outcome.APPROVE,
            comment="Approved in the demo.",
            content_hash=request.content_hash,
        )


def _answers(address: str) -> bool | None:
    try:
        return httpx.get(f"{address}admin/login/", trust_env=False).is_success or None
    except httpx.TransportError:
        return None
