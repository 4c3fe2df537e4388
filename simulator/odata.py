"""The little OData that the lists speak: $filter, $select, $top, $orderby (contract §5.6, §8, §11.4, §13)."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Row = dict[str, Any]
_CONDITION = re.compile(
    r"\s*(?:startswith\(\s*(?P<begun>[\w/]+)\s*,\s*(?P<beginning>'(?:[^']|'')*')\s*\)"
    r"|(?P<field>[\w/]+)\s+(?P<operator>eq|ne)\s+(?P<value>'(?:[^']|'')*'|[^\s()]+))\s*(?P<join>and\b|$)",
    re.IGNORECASE,
)


class FilterError(ValueError):
    """The $filter is not understood."""


def parse_filter(text: str) -> Callable[[Mapping[str, Any]], bool]:
    """Turn `a eq 'x' and b ne null and startswith(c,'y')` into a predicate over rows."""
    conditions: list[Callable[[Mapping[str, Any]], bool]] = []
    position, join = 0, "and"
    while join:
        found = _CONDITION.match(text, position)
        if not found:
            raise FilterError(f"Invalid filter clause at position {position} in '{text}'.")
        conditions.append(_condition(found))
        position, join = found.end(), found["join"]
    return lambda row: all(condition(row) for condition in conditions)


def _condition(found: re.Match[str]) -> Callable[[Mapping[str, Any]], bool]:
    if found["begun"]:
        name, beginning = found["begun"], _literal(found["beginning"]) or ""
        return lambda row: (_comparable(_field(row, name)) or "").startswith(beginning)
    name, equal, value = found["field"], found["operator"].lower() == "eq", _literal(found["value"])
    return lambda row: (_comparable(_field(row, name)) == value) is equal


def select(rows: Iterable[Row], query: Mapping[str, str]) -> list[Row]:
    """Apply $filter, $orderby, $top and $select, in this order."""
    chosen = list(rows)
    if text := query.get("$filter"):
        chosen = list(filter(parse_filter(text), chosen))
    if order := query.get("$orderby"):
        name, _, direction = order.partition(" ")
        chosen.sort(key=lambda row: str(_field(row, name)), reverse=direction.strip().lower() == "desc")
    if query.get("$top", "").isdigit():
        chosen = chosen[: int(query["$top"])]
    return [project(row, query.get("$select")) for row in chosen]


def project(row: Row, names: str | None) -> Row:
    """Keep the selected columns; annotations always stay."""
    if not names:
        return row
    wanted = {name.strip() for name in names.split(",")}
    return {name: value for name, value in row.items() if name in wanted or name.startswith("@")}


def _field(row: Mapping[str, Any], name: str) -> Any:
    if name in row:
        return row[name]
    lookup = f"_{name}_value"  # Dataverse filters lookups by either name
    if lookup in row:
        return row[lookup]
    value: Any = row
    for part in name.split("/"):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _literal(text: str) -> str | None:
    if text.startswith("'"):
        return text[1:-1].replace("''", "'").lower()
    return None if text.lower() == "null" else text.lower()


def _comparable(value: object) -> str | None:
    return None if value is None else str(value).lower()
