"""Named scenarios: faults that are switched on and off together, so that people can rehearse an outage."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from simulator.faults import Faults, parse

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "scenarios"


@dataclass(frozen=True)
class Scenario:
    """What a scenario file says."""

    name: str
    title: str
    description: str
    faults: list[Any] = field(repr=False)


class Scenarios:
    """The scenarios that are known, of which one at a time is on; the rules in force say which."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._known: dict[str, Scenario] = {}

    @property
    def active(self) -> str:
        """The name of the scenario that is on, or nothing."""
        return next((rule.scenario for rule in self._faults.rules if rule.scenario), "")

    def learn(self, document: object) -> Scenario:
        """Remember a scenario from JSON; raise ValueError that says what is wrong with it."""
        scenario = _scenario(document)
        self._known[scenario.name] = scenario
        return scenario

    def learn_file(self, path: Path) -> Scenario:
        """Remember the scenario in a file; an error names the file."""
        try:
            return self.learn(json.loads(path.read_text()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def switch_to(self, name: str, tenant: str = "") -> None:
        """Turn a known scenario on instead of the one before, for everybody or for one tenant.

        Raises:
            KeyError: no scenario has this name.
        """
        scenario = self._known[name]
        self.switch_off()
        limit = {"tenant": tenant} if tenant else {}
        self._faults.add([fault | limit for fault in scenario.faults], scenario.name)

    def switch_off(self) -> None:
        """Turn off what is on; single faults stay."""
        self._faults.clear_scenarios()

    def as_json(self) -> dict[str, Any]:
        return {"active": self.active, "scenarios": [asdict(item) for item in self._known.values()]}


def _scenario(document: object) -> Scenario:
    if not isinstance(document, Mapping):
        raise ValueError("a scenario must be an object")  # noqa: TRY004
    unknown = sorted(set(document) - {"name", "title", "description", "faults"})
    problems = [f"{name}: unknown member" for name in unknown]
    problems += [
        f"{name}: must be a string"
        for name in ("name", "title", "description")
        if not isinstance(document.get(name, ""), str)
    ]
    faults = document.get("faults")
    if not document.get("name"):
        problems.append("name: is missing")
    if not isinstance(faults, list) or not faults:
        problems.append("faults: must be a list with at least one fault")
    if problems:
        raise ValueError("; ".join(problems))
    parse(faults)
    name = document["name"]
    return Scenario(name, document.get("title") or name, document.get("description", ""), list(faults or ()))
