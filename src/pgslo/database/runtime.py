"""The runtime inside the database: what of it is wanted, and the migrations that bring it there."""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Literal

from pgslo import assets, sql
from pgslo.catalog import StrangeRight
from pgslo.database.catalog_queries import fetch, once, query
from pgslo.errors import RuntimeMismatch

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

#: Oldest server that has what the generated code uses (``date_bin``, ``CREATE OR REPLACE TRIGGER``).
OLDEST_SERVER = 140000


#: The script after which rights are as they should be.
RIGHTS = "630_rights"

#: Quotes a script that is run as pgslo's owner.
_SCRIPT_QUOTE = "$pgslo_script$"


@dataclass(frozen=True)
class Script:
    """A file of SQL that comes with the library.

    Attributes:
        name: Its file name without the suffix.
        text: The SQL.
        sha256: Of the text, in hexadecimal.
    """

    name: str
    text: str

    @functools.cached_property
    def sha256(self) -> str:
        """Hash of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@functools.cache
def library_version() -> str:
    """Version of the installed library."""
    return metadata.version("pgslo")


def migrations() -> tuple[Script, ...]:
    """Stateful scripts, in the order in which they run, each once."""
    return _scripts("migrations", "")


def functions() -> tuple[Script, ...]:
    """Stateless scripts, in name order, run whenever one of them changed."""
    return _scripts("sql", "runtime")


def functions_sha256() -> str:
    """One hash over all stateless scripts."""
    return hashlib.sha256("".join(script.sha256 for script in functions()).encode()).hexdigest()


@functools.cache
def _scripts(tree: Literal["sql", "migrations"], folder: str) -> tuple[Script, ...]:
    place = assets.tree(tree) / folder
    return tuple(Script(path.stem, path.read_text(encoding="utf-8")) for path in sorted(place.glob("*.sql")))


@dataclass(frozen=True)
class Installed:
    """What of the runtime a database has.

    Attributes:
        version: Library version that installed it, or ``None`` without one.
        migrations: Hash of each migration that ran, by name.
        functions_sha256: Of the stateless scripts that ran last.
        extension: Version of the extension that it belongs to, or ``None`` where it was installed as plain SQL.
        is_there: Whether its tables are, though they may be empty, as after a restore of the schema alone.
        schemas: Owners of those of its schemas that exist, by name.
        encoding: Of the database, as PostgreSQL calls it.
        is_open: Whether its functions lost the rights that it gave them, so that everybody may call them.
    """

    version: str | None
    migrations: dict[str, str]
    functions_sha256: str | None
    extension: str | None = None
    is_there: bool = False
    schemas: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "UTF8"
    is_open: bool = False


def read(conn: psycopg.Connection[TupleRow]) -> Installed:
    """The installed runtime, without changing anything."""
    return once(conn, "runtime", lambda: _read(conn))


def _read(conn: psycopg.Connection[TupleRow]) -> Installed:
    schemas = {row["name"]: row["owner"] for row in fetch(conn, "runtime_schemas")}
    encoding = conn.info.parameter_status("server_encoding") or "UTF8"
    found = conn.execute("SELECT pg_catalog.to_regclass('pgslo_catalog.runtime') IS NOT NULL").fetchone()
    if not found or not found[0]:
        return Installed(None, {}, None, schemas=schemas, encoding=encoding)
    ran: dict[str, str] = dict(conn.execute("SELECT name, sha256 FROM pgslo_catalog.migration").fetchall())
    row = conn.execute("SELECT version, sha256 FROM pgslo_catalog.runtime").fetchone()
    (state,) = fetch(conn, "runtime_state")
    return Installed(
        row[0] if row else None,
        ran,
        row[1] if row else None,
        extension=state["extension"],
        is_there=True,
        schemas=schemas,
        encoding=encoding,
        is_open=state["is_open"],
    )


def refuse_newer(installed: Installed) -> None:
    """Refuse to touch what a newer library left: this one does not know what of it to keep.

    Raises:
        RuntimeMismatch: A newer library was here.
    """
    known = {script.name for script in migrations()}
    unknown = next((name for name in installed.migrations if name not in known), None)
    if unknown is not None:
        raise RuntimeMismatch(
            f"the database was migrated by a newer pgslo ({installed.version})",
            detail=f"This library, {library_version()}, does not know migration {unknown}.",
            hint="upgrade the library",
        )
    if installed.version is not None and is_newer(installed.version, library_version()):
        raise newer(installed.version)


def _refuse_strangers(installed: Installed) -> None:
    """Refuse schemas of pgslo's names that another role made.

    Raises:
        RuntimeMismatch: There are some.
    """
    if installed.schemas and not installed.is_there:
        name, owner = min(installed.schemas.items())
        raise RuntimeMismatch(
            f"schema {name} exists already, and pgslo did not make it",
            detail=f'Its owner is role "{owner}".',
            hint="rename or drop it",
        )
    if len(set(installed.schemas.values())) > 1:
        owners = ", ".join(f'{name} to "{owner}"' for name, owner in sorted(installed.schemas.items()))
        raise RuntimeMismatch(
            "the schemas of the runtime belong to different roles",
            detail=f"{owners}.",
            hint="drop the schemas that pgslo did not make, or give them to pgslo's owner",
        )


def _refuse_encoding(installed: Installed) -> None:
    """Refuse a database in which PostgreSQL counts bytes instead of characters.

    Raises:
        RuntimeMismatch: It is such a database.
    """
    if installed.encoding == "SQL_ASCII":
        raise RuntimeMismatch(
            "a database with encoding SQL_ASCII is not supported",
            detail="PostgreSQL counts bytes there: an excerpt of a value could end inside a character and could not be read.",
            hint="create a database with ENCODING 'UTF8', and restore a dump of this one there",
        )


def is_newer(version: str, other: str) -> bool:
    """Whether a version came out after another one."""
    return _numbers(version) > _numbers(other)


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"[0-9.]*", version)
    return tuple(int(number) for number in release[0].split(".") if number) if release else ()


def wanted(installed: Installed) -> tuple[Script, ...]:
    """Scripts that have to run to bring a database up to this library; empty when it is there.

    Raises:
        RuntimeMismatch: A newer library was here, a migration that ran is not the one this library knows, or the
            encoding of the database is not supported.
    """
    _refuse_encoding(installed)
    _refuse_strangers(installed)
    refuse_newer(installed)
    known = {script.name: script for script in migrations()}
    for name, sha256 in installed.migrations.items():
        if known[name].sha256 != sha256:
            raise RuntimeMismatch(
                f"migration {name} ran here in another form",
                detail=f"The database has {sha256[:12]}, the library has {known[name].sha256[:12]}.",
                hint="install the library version that this database was made with, or uninstall and apply again",
            )
    missing = tuple(script for name, script in known.items() if name not in installed.migrations)
    if missing or installed.functions_sha256 != functions_sha256():
        if installed.extension is not None:
            raise RuntimeMismatch(
                f"the runtime is the extension pgslo {installed.extension}, of another pgslo",
                detail=f"This library is {library_version()}.",
                hint="put the extension's files in place with pgslo extension, then ALTER EXTENSION pgslo UPDATE",
            )
        return (*missing, *functions())
    return ()


def to_run(conn: psycopg.Connection[TupleRow]) -> tuple[Script, ...]:
    """As :func:`wanted`, and the statements that fix rights on a runtime of this library.

    Raises:
        RuntimeMismatch: As :func:`wanted`.
    """
    installed = read(conn)
    if scripts := wanted(installed):
        return scripts
    if not installed.is_there or not (
        any(
            one["is_trusted"] and one["can_give"]
            for one in once(conn, "own objects", lambda: fetch(conn, "own_objects"))
        )
        or any(one.can_mend for one in strange_rights(conn))
    ):
        return ()
    return tuple(script for script in functions() if script.name == RIGHTS)


def strange_rights(conn: psycopg.Connection[TupleRow]) -> tuple[StrangeRight, ...]:
    """Rights on the runtime that are not as this library leaves them; none where it is another library's."""
    return once(conn, "strange rights", lambda: _strange_rights(conn))


def _strange_rights(conn: psycopg.Connection[TupleRow]) -> tuple[StrangeRight, ...]:
    found = conn.execute(
        "SELECT pg_catalog.to_regprocedure('pgslo_catalog.strange_rights()') IS NOT NULL"
    ).fetchone()
    if not found or not found[0]:
        return ()
    return tuple(StrangeRight(**row) for row in fetch(conn, "strange_rights"))


def check(
    conn: psycopg.Connection[TupleRow], *, hint: str = "bring it up to this one: pgslo migrate"
) -> None:
    """Refuse to work with a runtime of another library, where generated code would call missing functions.

    Args:
        conn: Any connection.
        hint: What to do where it is older.

    Raises:
        RuntimeMismatch: It is older, or as :func:`wanted`.
    """
    installed = read(conn)
    scripts = wanted(installed)
    if installed.is_open and not scripts:
        raise RuntimeMismatch(
            "every role may call pgslo's functions",
            detail="The database was restored without privileges, or they were reset.",
            hint=hint,
        )
    if scripts:
        raise older(installed.version, hint=hint)


def older(version: str | None, *, detail: str = "", hint: str) -> RuntimeMismatch:
    """The message about a runtime that an older library installed."""
    known = f" ({version})" if version else ""
    return RuntimeMismatch(
        f"the runtime in the database is of an older pgslo{known}",
        detail=f"This library is {library_version()}.{detail}",
        hint=hint,
    )


def newer(version: str, *, detail: str = "") -> RuntimeMismatch:
    """The message about a runtime that a newer library installed."""
    return RuntimeMismatch(
        f"the runtime in the database is of a newer pgslo ({version})",
        detail=f"This library is {library_version()}.{detail}",
        hint="upgrade the library",
    )


def install(conn: psycopg.Connection[TupleRow]) -> bool:
    """Bring the runtime up to this library inside the caller's transaction, or in one of its own.

    Args:
        conn: A connection of a role that may create schemas.

    Returns:
        Whether anything had to be done.

    Raises:
        RuntimeMismatch: As :func:`wanted`.
    """
    scripts = to_run(conn)
    if not scripts:
        return False
    with conn.transaction():
        for text in statements(scripts):
            conn.execute(text.encode(), prepare=False)
    return True


def statements(scripts: Iterable[Script]) -> tuple[str, ...]:
    """The SQL of :func:`script_texts`, run as pgslo's owner: what another role made would belong to that role."""
    begin, quote, end = query("run_as_owner").decode().partition(_SCRIPT_QUOTE)
    made = [f"{begin}{quote}\n{text}\n{end};" for text in script_texts(scripts)]
    return (f"{query('give_back').decode()};", *made)


def script_texts(scripts: Iterable[Script]) -> tuple[str, ...]:
    """The SQL that runs scripts and writes down that they ran, for one transaction; each text may hold several statements.

    Args:
        scripts: What :func:`wanted` returned.
    """
    names = {script.name for script in migrations()}
    version = sql.literal(library_version())
    texts = []
    for script in scripts:
        texts.append(script.text.rstrip())
        if script.name in names:
            ran = sql.join(", ", (sql.literal(script.name), sql.literal(script.sha256), version))
            texts.append(
                f"INSERT INTO pgslo_catalog.migration (name, sha256, library_version) VALUES ({ran});"  # noqa: S608 - literals
            )
    installed = sql.join(", ", (version, sql.literal(functions_sha256())))
    texts += [
        "DELETE FROM pgslo_catalog.runtime;",
        f"INSERT INTO pgslo_catalog.runtime (version, sha256) VALUES ({installed});",  # noqa: S608 - literals
        "RESET search_path;",
    ]
    return tuple(texts)
