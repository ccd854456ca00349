"""A config on its way through a file: frozen dataclass -> JSON -> an equal frozen dataclass."""

import dataclasses
import json
import types
import typing


def check_config(config: object) -> None:
    """ValueError unless `config` is a frozen dataclass that comes back from JSON as it was."""
    kind = type(config)
    if not dataclasses.is_dataclass(kind) or not kind.__dataclass_params__.frozen:
        raise ValueError(f"config must be an instance of a frozen dataclass, got a {kind.__name__}")
    try:
        same = from_json(kind, json.loads(json.dumps(to_json(config)))) == config
    except TypeError as error:
        raise ValueError(f"config must hold numbers, texts, tuples and frozen dataclasses only: {error}") from None
    if not same:
        raise ValueError(f"config must come back from JSON as it was (tuples, no lists, no NaN), got {config!r}")


def to_json(config: object) -> dict:
    """The fields by name; a config inside a config becomes a dict inside the dict."""
    return dataclasses.asdict(config)


def from_json(kind: object, value: object) -> object:
    """Build a value of type `kind`: dataclasses from dicts, tuples from lists, everything else as it stands."""
    if dataclasses.is_dataclass(kind) and isinstance(value, dict):
        hints = typing.get_type_hints(kind)
        return kind(**{name: from_json(hints.get(name), item) for name, item in value.items()})
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _from_union(arguments, value)
    if (kind is tuple or origin is tuple) and isinstance(value, list):
        return tuple(from_json(item_kind, item) for item_kind, item in zip(_item_kinds(arguments, value), value))
    return value


def _from_union(arguments: tuple, value: object) -> object:
    """None, numbers and texts are themselves; a dict or a list goes to the first type that can be made of it."""
    for kind in arguments:
        try:
            made = from_json(kind, value)
        except (TypeError, ValueError):
            continue
        if made is not value:
            return made
    return value


def _item_kinds(arguments: tuple, value: list) -> list:
    """The type of each item: tuple[int, ...] repeats its first, tuple[int, str] names them all."""
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return [arguments[0]] * len(value)
    return list(arguments) if len(arguments) == len(value) else [None] * len(value)
