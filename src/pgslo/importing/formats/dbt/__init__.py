"""Reader of dbt projects: schema files and the manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pgslo.importing.formats.base import Document, Source
from pgslo.importing.formats.dbt import mapping, schema_files
from pgslo.importing.formats.dbt.folders import Folders, is_project
from pgslo.importing.formats.dbt.jinja import Jinja, Unknown
from pgslo.importing.formats.dbt.manifest import Manifest
from pgslo.importing.formats.dbt.model import Constraint, Project, Test
from pgslo.importing.formats.dbt.spelling import respelled
from pgslo.importing.model import Found, SourceTable
from pgslo.importing.options import Options
from pgslo.importing.source import Mapping, plain

_MISSING = object()
_PRESENT = frozenset({"not_null", "incremental_not_null", "expect_column_values_to_not_be_null"})


def read(documents: Sequence[Document], options: Options) -> Source:
    """Return the checks of schema files and manifests, which are read together, since they name each other's tables."""
    project = _project(documents, options)
    source = Source(lambda found: mapping.outcome(found, project))
    manifests = [Manifest(document) for document in documents if document.format == "dbt-manifest"]
    files = [document for document in documents if document.format != "dbt-manifest"]
    for manifest in manifests:
        manifest.add_tables(project)
        source.failures += [manifest.failure] if manifest.failure else []
    folders = Folders(files)
    nodes = [each for document in files for each in schema_files.add_tables(document, project, folders)]
    written = [each for table, node, of in nodes for each in schema_files.checks(table, node, of)]
    resolved = [each for manifest in manifests for each in manifest.checks(project)]
    source.found = respelled([*_with_places(resolved, written), *written], project)
    source.tables = list(project.tables.values())
    for document in files:
        schema_files.leftovers(document, source)
    note_present(project, source.found)
    return source


def _with_places(resolved: Sequence[Found], written: list[Found]) -> list[Found]:
    """Checks of manifests with the places of the schema files' own, which are taken out: both are one check."""
    by_text: dict[Any, list[Found]] = {}
    for each in written:
        for key in (_identity(each, exact=True), _identity(each, exact=False)):
            by_text.setdefault(key, []).append(each)
    taken: set[int] = set()
    found: list[Found] = []
    for each in resolved:
        keys = (_identity(each, exact=True), _identity(each, exact=False))
        twin = next((one for key in keys for one in by_text.get(key, ()) if id(one) not in taken), None)
        if twin is not None:
            taken.add(id(twin))
            each = replace(each, location=twin.location)  # noqa: PLW2901 - the same check, with a better place
        found.append(each)
    written[:] = [each for each in written if id(each) not in taken]
    return found


def _identity(found: Found, *, exact: bool) -> Any:
    name = found.kind.rpartition(".")[2].lower()
    arguments = repr(sorted(found.body.arguments.items())) if exact and isinstance(found.body, Test) else ""
    return found.table.key, (found.column or "").lower(), name, arguments


def note_present(project: Project, found: Sequence[Found]) -> None:
    """Note which columns a check keeps free of NULL in every row."""
    for each in found:
        body = each.body
        if isinstance(body, Test) and body.name in _PRESENT and body.column is not None:
            said = body.config | body.arguments
            tolerant = any(
                str(said.get(key) or "!=0").replace(" ", "") != "!=0" for key in ("error_if", "warn_if")
            )
            narrowed = any(said.get(key) is not None for key in ("where", "row_condition"))
            if not tolerant and not narrowed and said.get("enabled", True) is True:
                project.present.setdefault(each.table.key, set()).add(body.column)
        if isinstance(body, Constraint) and body.kind in ("not_null", "primary_key"):
            project.present.setdefault(each.table.key, set()).update(body.columns)


def _project(documents: Sequence[Document], options: Options) -> Project:
    variables: dict[str, Any] = {}
    for document in documents:
        for root in document.nodes:
            if isinstance(root, Mapping) and is_project(root):
                said = plain(root.mapping("vars"))
                for key, value in said.items():
                    variables |= value if isinstance(value, dict) else {key: value}
    variables |= {key: value for key, value in options.variables.items() if not key.startswith("target.")}
    return project_of(variables, options)


def project_of(variables: dict[str, Any], options: Options) -> Project:
    """Return an empty project, whose Jinja knows variables, and the tables that will be noted."""

    def ref(*names: Any, **_version: Any) -> str:
        return _named(f"ref:{names[-1] if names else ''}")

    def source(of: Any, name: Any) -> str:
        return _named(f"source:{of}.{name}")

    def var(name: Any, default: Any = _MISSING) -> Any:
        if name in variables:
            return variables[name]
        if default is _MISSING:
            raise Unknown(f'variable "{str(name)[:60]}" has no value: give --var {str(name)[:60]}=…')
        return default

    def _named(key: str) -> str:
        # A relation that no file describes may still be named by --map.
        table = project.tables.get(key) or SourceTable(key, key.partition(":")[2], only_by_map=True)
        named = project.own(table) if not table.unfit.startswith("its name") else None
        if named is None:
            raise Unknown(f"{key[:80]} is not in the files, or its schema is not known")
        return named.text

    target = {"type": "postgres", **({"schema": options.schema} if options.schema else {})}
    target |= {
        key.removeprefix("target."): value
        for key, value in options.variables.items()
        if key.startswith("target.")
    }
    functions: dict[str, Callable[..., Any]] = {
        "ref": ref,
        "source": source,
        "var": var,
        "doc": lambda *_names: "",
    }
    project = Project(options, Jinja(functions, target))
    return project
