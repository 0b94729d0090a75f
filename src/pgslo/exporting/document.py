"""Plain data as YAML that every tool reads alike."""

from __future__ import annotations

import decimal
from typing import Any

import yaml

_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Writes lists inside of mappings with an indent, and no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        """Whether a value that occurs twice is written twice: always."""
        del data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002 - PyYAML's own
        """Indent lists, too."""
        del indentless
        super().increase_indent(flow, False)  # noqa: FBT003 - PyYAML's own


def _number(dumper: yaml.SafeDumper, value: decimal.Decimal) -> yaml.ScalarNode:
    text = f"{value:f}"
    return dumper.represent_scalar(
        "tag:yaml.org,2002:float" if "." in text else "tag:yaml.org,2002:int", text
    )


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(decimal.Decimal, _number)


def text(said: dict[str, Any], *comments: str) -> str:
    """Return data as YAML, below comments."""
    body = yaml.dump(said, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=_WIDTH)
    return "".join(f"# {line}\n" for line in comments) + body
