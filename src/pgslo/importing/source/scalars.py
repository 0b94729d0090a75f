"""What a value without quotes means to YAML 1.1, as PyYAML reads it, and to JSON."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

import yaml

_CONSTRUCTOR = yaml.SafeLoader("")
_RESOLVERS: dict[str | None, list[tuple[str, Any]]] = yaml.SafeLoader.yaml_implicit_resolvers
_CONSTRUCT = {
    "tag:yaml.org,2002:null": "construct_yaml_null",
    "tag:yaml.org,2002:bool": "construct_yaml_bool",
    "tag:yaml.org,2002:int": "construct_yaml_int",
    "tag:yaml.org,2002:float": "construct_yaml_float",
    "tag:yaml.org,2002:timestamp": "construct_yaml_timestamp",
}


@functools.lru_cache(maxsize=4096)
def resolve(text: str) -> Any:
    """Return what a value means: a boolean, number or null, else text. Dates stay text, as they are written."""
    for tag, pattern in (*_RESOLVERS.get(text[:1], ()), *_RESOLVERS.get(None, ())):
        if not pattern.match(text) or tag not in _CONSTRUCT:
            continue
        try:
            value = getattr(_CONSTRUCTOR, _CONSTRUCT[tag])(yaml.ScalarNode(tag, text))
        except (ValueError, OverflowError):
            return text  # a day that no calendar has, or more digits than Python reads
        return text if isinstance(value, dt.date) else value
    return text
