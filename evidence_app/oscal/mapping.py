"""The one table of which of our controls speak for which of NIST's: ``mapping.csv``, with the source of every line.

Neither the specification nor FSI-AgentGov maps its controls to NIST SP 800-53: the mapping is ours, and an assessor is
free to disagree with a line of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evidence_app import spreadsheet

FILE: Final = Path(__file__).parent / "mapping.csv"
# The controls that the specification names in its first line (FSI-AgentGov v1.2)
CONTROLS: Final = {
    "2.1": "Managed Environments",
    "2.2": "Environment Groups",
    "2.3": "Change Management",
    "2.8": "Access Control and Segregation of Duties",
    "1.7": "Audit Logging",
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """One line: a control of the specification speaks for a control of NIST's.

    Attributes:
        control: Number of the specification's control.
        nist: Control id in NIST's OSCAL catalog of SP 800-53 Rev. 5, ``ac-6.7``.
        nist_title: Its title there.
        because: What this program does for it.
        checks: Keys of the checks whose results say whether it does.
        source: Where both sides of the mapping can be read.
    """

    control: str
    nist: str
    nist_title: str
    because: str
    checks: tuple[str, ...]
    source: str


def _read() -> Iterator[Mapped]:
    for row in spreadsheet.read(FILE):
        yield Mapped(
            control=row["control"],
            nist=row["nist_800_53_r5"],
            nist_title=row["nist_title"],
            because=row["because"],
            checks=tuple(row["checks"].split()),
            source=row["source"],
        )


MAPPING: Final = tuple(_read())


def nist_of(control: str) -> list[str]:
    """Return the NIST controls that a control speaks for, in the order of the table."""
    return [line.nist for line in MAPPING if line.control == control]
