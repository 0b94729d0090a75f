"""Jinja of a dbt project: rendered in a sandbox, where it can only name tables, variables and the target."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pgslo.importing.model import UnmappableError

_MARKS = re.compile(r"\{\{|\{%|\{#")
_CALLS = frozenset({"ref", "source", "var", "doc"})
_FILTERS = frozenset({"lower", "upper", "trim", "string", "int", "float", "default"})
_TARGET = re.compile(r"\btarget\.(\w+)")
_MAX_LENGTH = 20_000
#: What a template may be made of: no loop, no macro, no method, nothing that grows.
_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.If, nodes.CondExpr, nodes.Compare, nodes.Operand,
    nodes.And, nodes.Or, nodes.Not, nodes.Tuple, nodes.List, nodes.Getattr, nodes.Getitem, nodes.Call, nodes.Filter, nodes.Concat,
    nodes.Keyword, nodes.Add, nodes.Sub, nodes.Neg,
)  # fmt: skip


class Unknown(Exception):
    """A template uses an unknown name."""


class Jinja:
    """Renders texts of a project.

    Args:
        functions: ``ref``, ``source``, ``var`` and ``doc``.
        target: The known facts of the target.
    """

    def __init__(self, functions: Mapping[str, Callable[..., Any]], target: Mapping[str, Any]) -> None:
        self._environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, autoescape=False)
        self._environment.filters = {
            name: made for name, made in self._environment.filters.items() if name in _FILTERS
        }
        self._target = dict(target)
        self._environment.globals = {**functions, "target": self._target}

    def render(self, text: str) -> str:
        """Return a text with its Jinja replaced.

        Raises:
            UnmappableError: It needs something that is not known here.
        """
        if not _MARKS.search(text):
            return text
        if len(text) > _MAX_LENGTH:
            raise UnmappableError("needs_jinja", "the template is too long")
        try:
            self._check(self._environment.parse(text))
            return self._environment.from_string(text).render()
        except Unknown as error:
            raise UnmappableError("needs_jinja", str(error)) from None
        except (jinja2.TemplateError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
            raise UnmappableError("needs_jinja", self._reason(text, error)) from None

    def _reason(self, text: str, error: Exception) -> str:
        unknown = [name for name in _TARGET.findall(text) if name not in self._target]
        if isinstance(error, jinja2.UndefinedError) and unknown:
            named = ", ".join(dict.fromkeys(f"target.{name[:40]}" for name in unknown[:5]))
            return f"no value here for {named}: give --var target.{unknown[0][:40]}=VALUE"
        return f"its Jinja cannot be resolved here: {' '.join(text.split())[:120]}"

    def value(self, text: str) -> str:
        """Return what an expression such as ``ref('orders')`` gives, which dbt takes with or without braces."""
        if not _MARKS.search(text) and re.match(r"\s*(ref|source|var)\s*\(", text):
            text = "{{ " + text + " }}"
        return self.render(text)

    def all_of(self, value: Any) -> Any:
        """Return a value with the Jinja of all of its texts replaced."""
        if isinstance(value, str):
            return self.render(value)
        if isinstance(value, list):
            return [self.all_of(one) for one in value]
        if isinstance(value, dict):
            return {key: self.all_of(one) for key, one in value.items()}
        return value

    def _check(self, node: nodes.Node) -> None:
        if not isinstance(node, _NODES):
            raise Unknown(f"its Jinja uses {type(node).__name__.lower()}, which is not run here")
        if isinstance(node, nodes.Call) and not (
            isinstance(node.node, nodes.Name) and node.node.name in _CALLS
        ):
            name = node.node.name if isinstance(node.node, nodes.Name) else "a method"
            raise Unknown(f"its Jinja calls {name}, which is not run here")
        if isinstance(node, nodes.Getattr) and not (
            isinstance(node.node, nodes.Name) and node.node.name == "target"
        ):
            raise Unknown("its Jinja reads an attribute, which is not read here")
        for child in node.iter_child_nodes():
            self._check(child)
