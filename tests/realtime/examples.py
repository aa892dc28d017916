"""An example of every declared event, with something in each field: made from the payload's own types, so that an event
that is declared tomorrow has one too."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import inspect

from realtime.registry import EventSpec

_SELECTOR = re.compile(r"^(?P<field>\w+|\*)\[(?P<name>\w+)=(?P<value>[^]]*)\]$")


def example_data(spec: EventSpec, *, zone: str | None = None) -> dict[str, Any]:
    """Data of the event, complete, fit for its payload; every field that may be masked has a value."""
    data = _fill(inspect.type_info(spec.payload), "")
    for path in spec.sensitive:
        _plant(data, path.split("."))
    if "zone" in data:
        data["zone"] = zone or "nowhere.example"
    payload = msgspec.convert(data, spec.payload)
    built: dict[str, Any] = msgspec.to_builtins(payload)
    return built


def _fill(kind: Any, name: str) -> Any:
    match kind:
        case inspect.StructType():
            return {field.encode_name: _fill(field.type, field.name) for field in kind.fields}
        case inspect.UnionType():
            return _fill(next(t for t in kind.types if not isinstance(t, inspect.NoneType)), name)
        case inspect.ListType() | inspect.SetType() | inspect.FrozenSetType() | inspect.VarTupleType():
            return [_fill(kind.item_type, name)]
        case inspect.DictType():
            return {str(_fill(kind.key_type, "key")): _fill(kind.value_type, name)}
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.EnumType():
            return next(iter(kind.cls)).value
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 7
        case inspect.FloatType():
            return 1.5
        case inspect.DateTimeType():
            return "2026-01-02T03:04:05Z"
        case inspect.NoneType():
            return None
    return f"some {name}"


def _plant(value: Any, path: list[str]) -> None:
    """See to it that there is something at `path`."""
    step, rest = path[0], path[1:]
    if condition := _SELECTOR.match(step):
        step = condition["field"]
        chosen: Any = {"true": True, "false": False}.get(condition["value"], condition["value"])
        value[0 if step == "*" else step][condition["name"]] = chosen
    if step == "*":
        if not isinstance(value[0], dict) and rest:
            value[0] = {}
        _plant(value[0], rest)
        return
    if not rest:
        value[step] = value.get(step) or "something"
        return
    wanted: type = list if rest[0].startswith("*") else dict
    if not isinstance(value.get(step), wanted):
        value[step] = [{}] if wanted is list else {}
    _plant(value[step], rest)


def leaves(value: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Every value in some data, inner objects too, by its path."""
    found = {path: value} if path else {}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= leaves(inner, (*path, key))
    elif isinstance(value, list):
        for inner in value:
            found |= leaves(inner, (*path, "*"))
    return found
