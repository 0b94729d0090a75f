"""Which format a file has, by its keys and never by its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from pgslo.importing.formats import dqx
from pgslo.importing.formats.base import Document
from pgslo.importing.formats.dbt.folders import is_model, is_project
from pgslo.importing.formats.dbt.schema_files import RESOURCES
from pgslo.importing.source import Mapping, Sequence, read


@dataclass(frozen=True)
class Recognised:
    """What a file is.

    Attributes:
        path: The file.
        format: Its format, if it has one.
        reason: How it was recognised, or why it was not.
        refused: Whether it looks like a source, and is of a version or form that is not read.
    """

    path: str
    format: str | None
    reason: str
    refused: bool = False


def recognise(path: str, text: str, wanted: str | None) -> tuple[Document, Recognised]:
    """Return a file as a document, with its format.

    Raises:
        UnreadableError: It cannot be read.
    """
    if wanted == "dbt-manifest" or (wanted is None and _MANIFEST.match(text)):
        # Read as JSON by its own reader: too large for nodes that know their place.
        return Document(path, text), Recognised(path, "dbt-manifest", '"dbt_schema_version" of a manifest')
    if wanted in ("sqlmesh", "dlt"):
        return Document(path, text), Recognised(path, wanted, "named by --from")
    if path.lower().endswith((".sql", ".py")):
        return Document(path, text), _of_code(path, text)
    if wanted == "tfdv" or (wanted is None and _MESSAGE.search(text)):
        # Read by its own reader: it is not YAML.
        return Document(path, text), Recognised(path, "tfdv", "a message of features or domains")
    document = Document(path, text, read(text, path=path))
    if wanted is not None:
        return document, Recognised(path, wanted, "named by --from")
    if any(dqx.is_checks(root) for root in document.nodes):
        return document, Recognised(path, "dqx", 'a list of checks with "function"')
    for root in document.nodes:
        if isinstance(root, Mapping):
            for judge in _JUDGES:
                found = judge(root)
                if found is not None:
                    name, reason = found
                    return document, Recognised(path, name, reason, refused=name is None)
    return document, Recognised(path, None, "no format that pgslo imports")


#: The first object of a manifest names its type.
_MANIFEST = re.compile(
    r"\s*\{(?:(?!\n\{).){0,4000}?\"dbt_schema_version\"\s*:\s*\"[^\"]*/manifest/", re.DOTALL
)
#: A line that begins a message of a schema, and is not YAML.
_MESSAGE = re.compile(r"^\s*(?:feature|string_domain)\s*:?\s*[{<]\s*(?:$|#|name\s*:)", re.MULTILINE)
_AUDITED = re.compile(r"^[ \t]*(MODEL|AUDIT)\s*\(", re.IGNORECASE | re.MULTILINE)
_EXPECTED = re.compile(r"\bCONSTRAINT\s+(?:`[^`]+`|\w+)\s+EXPECT\s*\(", re.IGNORECASE)
_PIPELINE = re.compile(r"^\s*(?:import dlt\b|from pyspark import pipelines\b)", re.MULTILINE)
_Judgement = tuple[str | None, str] | None


def _of_code(path: str, text: str) -> Recognised:
    """The format of a file of SQL or Python: most have no checks."""
    is_sql = path.lower().endswith(".sql")
    audited = _AUDITED.search(text) if is_sql else None
    if audited:
        return Recognised(path, "sqlmesh", f"a block {audited[1].upper()} (")
    if is_sql and _EXPECTED.search(text):
        return Recognised(path, "dlt", "CONSTRAINT … EXPECT (")
    if not is_sql and _PIPELINE.search(text) and "expect" in text:
        return Recognised(path, "dlt", "expectations of a pipeline in Python")
    if is_sql and is_model(text):
        return Recognised(path, "dbt", "a model with its configuration")
    return Recognised(path, None, "")


def _is_dbt(root: Mapping) -> _Judgement:
    for resource in RESOURCES:
        if isinstance(root.get(resource), Sequence):
            return "dbt", f'"{resource}" is a list'
    if is_project(root):
        return "dbt", "the file of a project"
    return None


def _is_contract(root: Mapping) -> _Judgement:
    specification, version = root.text("dataContractSpecification"), root.text("apiVersion")
    if specification is not None:
        if isinstance(root.get("models"), Mapping) and re.match(r"[01]\.", specification):
            return "dcs", f"dataContractSpecification {specification} with models"
        return None, f"dataContractSpecification: {specification[:40]}: not a version of 0 or 1 with models"
    objects = root.mappings("schema")
    if root.text("kind") == "DataContract":
        if re.match(r"v?3\.", version or ""):
            return "odcs", f"kind DataContract, apiVersion {version}"
        return None, f"kind: DataContract, apiVersion: {(version or 'none')[:40]}: neither ODCS v3 nor DCS"
    if objects and any("properties" in one.entries for one in objects):
        return "odcs", '"schema" is a list with properties'
    return None


def _is_soda(root: Mapping) -> _Judgement:
    key = next(
        (key for key in root.entries if key.startswith(("checks for ", "for each dataset", "filter "))), None
    )
    if key is not None:
        return "sodacl", f'a key "{key[:40]}"'
    if root.text("dataset") is not None and root.entries.keys() & {"columns", "checks"}:
        return "soda", '"dataset" with columns or checks'
    return None


def _is_openslo(root: Mapping) -> _Judgement:
    version = root.text("apiVersion") or ""
    if not version.startswith("openslo/"):
        return None
    if version.lower() in ("openslo/v1", "openslo/v1alpha"):
        return "openslo", f"apiVersion {version}"
    return None, f"apiVersion: {version[:40]}: neither openslo/v1 nor openslo/v1alpha"


def _is_pandera(root: Mapping) -> _Judgement:
    kind = root.text("schema_type")
    if kind is None or not isinstance(root.get("columns"), Mapping):
        return None
    if kind.lower() in ("dataframe", "dataframeschema"):
        return "pandera", f"schema_type {kind} with columns"
    return None, f"schema_type: {kind[:40]}: not a data frame"


def _is_gx(root: Mapping) -> _Judgement:
    items = root.mappings("expectations")
    if not isinstance(root.get("expectations"), Sequence):
        return None
    key = next((key for one in items for key in ("expectation_type", "type") if key in one.entries), None)
    if key is None and items:
        return None, '"expectations" of a form that is neither 0.x nor 1.x'
    return "gx", f'"expectations" with "{key}"' if key else '"expectations"'


_JUDGES: tuple[Callable[[Mapping], _Judgement], ...] = (
    _is_dbt,
    _is_contract,
    _is_soda,
    _is_gx,
    _is_openslo,
    _is_pandera,
)
