"""The runtime as an extension of PostgreSQL: the same scripts, in the files that CREATE EXTENSION requires."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgslo import sql
from pgslo.database import runtime
from pgslo.sql import Sql

NAME = "pgslo"
_HEAD = '-- pgslo {version} as an extension, written by pgslo extension.\n\\echo Use "{command}" to load this file. \\quit\n'


def files(*, older: Iterable[str] = ()) -> dict[str, str]:
    """The files of the extension, by name.

    Args:
        older: Versions from which an installed extension is to be updated.
    """
    version = runtime.library_version()
    update = update_script()
    return {
        f"{NAME}.control": _control(version),
        f"{NAME}--{version}.sql": install_script(version, (*runtime.migrations(), *runtime.functions())),
        **{f"{NAME}--{one}--{version}.sql": update for one in older},
    }


def _control(version: str) -> str:
    # Not trusted: then its functions would be a superuser's, who has more rights than they need.
    return (
        f"comment = 'Service level objectives for ML data, enforced inside PostgreSQL'\n"
        f"default_version = '{version}'\nrelocatable = false\nsuperuser = false\n"
    )


def install_script(version: str, scripts: Sequence[runtime.Script]) -> str:
    """What CREATE EXTENSION runs.

    Args:
        version: Of the extension.
        scripts: Of the runtime, in their order.
    """
    head = _HEAD.format(version=version, command=f"CREATE EXTENSION {NAME}")
    return head + _joined((*_statements(scripts), _state()))


def update_script() -> str:
    """What ALTER EXTENSION … UPDATE runs, whichever older version it comes from."""
    version = runtime.library_version()
    head = _HEAD.format(version=version, command=f"ALTER EXTENSION {NAME} UPDATE")
    missing = [
        sql.render(
            "extension_migration",
            _Migration(
                name=sql.literal(script.name),
                text=sql.literal(script.text),
                sha256=sql.literal(script.sha256),
                version=sql.literal(version),
            ),
        ).text
        + ";"
        for script in runtime.migrations()
    ]
    owned = sql.render("extension_owner", _Nothing()).text + ";"
    return head + _joined((owned, *missing, *_statements(runtime.functions()), _state()))


def _statements(scripts: Sequence[runtime.Script]) -> tuple[str, ...]:
    *texts, reset = runtime.script_texts(scripts)
    assert reset == "RESET search_path;", "CREATE EXTENSION keeps the caller's path anyway"
    return tuple(texts)


def _state() -> str:
    return sql.render("extension_state", _Nothing()).text + ";"


def _joined(texts: Iterable[str]) -> str:
    return "\n".join((*texts, ""))


@dataclass(frozen=True)
class _Migration:
    name: Sql
    text: Sql
    sha256: Sql
    version: Sql


@dataclass(frozen=True)
class _Nothing:
    pass
