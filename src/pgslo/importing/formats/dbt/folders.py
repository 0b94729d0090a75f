"""Configuration of dbt outside of schema files: by folders in ``dbt_project.yml``, and in the SQL of each model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pgslo.importing.formats.base import Document
from pgslo.importing.source import Mapping, Scalar

_KEYS = ("materialized", "schema", "alias")
_PATHS = {
    "models": ("model-paths", "source-paths"),
    "seeds": ("seed-paths", "data-paths"),
    "snapshots": ("snapshot-paths",),
}
_CALL = re.compile(r"\{\{-?\s*config\s*\((?P<arguments>.*?)\)\s*-?\}\}", re.DOTALL)
_ARGUMENT = re.compile(r"\b(?P<key>\w+)\s*=\s*(?P<quote>['\"])(?P<value>[^'\"{}]*)(?P=quote)")


def is_project(root: Mapping) -> bool:
    """Whether a file is the ``dbt_project.yml``."""
    return "name" in root.entries and bool(
        root.entries.keys() & {"profile", "model-paths", "source-paths", "config-version"}
    )


def is_model(text: str) -> bool:
    """Whether the text of a file with the suffix ``.sql`` is a model that says how it is made."""
    return _CALL.search(text) is not None


@dataclass(frozen=True)
class _Project:
    folder: tuple[str, ...]
    name: str
    root: Mapping


class Folders:
    """What projects say of their models by folder and by model.

    Args:
        documents: Files of projects.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self._projects = [
            _Project(_steps(document.path)[:-1], root.text("name") or "", root)
            for document in documents
            for root in document.nodes
            if isinstance(root, Mapping) and is_project(root)
        ]
        # The innermost project that a file is in.
        self._projects.sort(key=lambda one: -len(one.folder))
        self._own: dict[str, dict[str, str]] = {}
        for document in documents:
            call = _CALL.search(document.text) if document.path.lower().endswith(".sql") else None
            if call is not None:
                said = {one["key"]: one["value"] for one in _ARGUMENT.finditer(call["arguments"])}
                self._own[_steps(document.path)[-1].rpartition(".")[0]] = {
                    key: said[key] for key in _KEYS if key in said
                }

    def of(self, path: str, resource: str, name: str) -> dict[str, str]:
        """Return the configuration of a model, seed or snapshot, but for that of its schema file.

        Args:
            path: The schema file, which dbt's projects keep beside the SQL.
            resource: ``models``, ``seeds`` or ``snapshots``.
            name: The model's name.
        """
        own = self._own.get(name, {}) if resource == "models" else {}
        for project in self._projects:
            steps, depth = _steps(path), len(project.folder)
            if steps[:depth] == project.folder:
                inside = steps[depth:-1]
                return self._by_folder(project, resource, _below(project.root, resource, inside), name) | own
        return own

    def _by_folder(
        self, project: _Project, resource: str, steps: tuple[str, ...], name: str
    ) -> dict[str, str]:
        node = project.root.mapping(resource)
        found = _said(node)
        for step in (project.name, *steps, name):
            node = node.mapping(step)
            found |= _said(node)
        return found


def _below(root: Mapping, resource: str, folders: tuple[str, ...]) -> tuple[str, ...]:
    """The folders below the one that the project keeps models in."""
    stated = [one.text for key in _PATHS[resource] for one in root.items(key) if isinstance(one, Scalar)]
    for kept in stated or [resource]:
        parts = _steps(kept)
        if folders[: len(parts)] == parts:
            return folders[len(parts) :]
    return folders


def _steps(path: str) -> tuple[str, ...]:
    return tuple(step for step in path.split("/") if step not in ("", "."))


def _said(node: Mapping) -> dict[str, str]:
    """The configuration on one level; without a plus, a folder may have the same name."""
    texts = (
        (key, node.text(f"+{key}") or (node.text(key) if isinstance(node.get(key), Scalar) else None))
        for key in _KEYS
    )
    return {key: text for key, text in texts if text is not None}
