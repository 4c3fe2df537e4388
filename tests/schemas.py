"""The JSON schemas that we publish, and what validates against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator

SCHEMAS: Final = Path(__file__).resolve().parents[1] / "docs" / "schemas"


def schema(name: str) -> Draft202012Validator:
    """Return the validator of a published schema, which is itself valid."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415 - a second for every process that only collects

    published = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    Draft202012Validator.check_schema(published)
    return Draft202012Validator(published, format_checker=Draft202012Validator.FORMAT_CHECKER)
