"""What every verb shares: the options before and after it, the configuration, the connection."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pgslo.cli import output
from pgslo.cli.configuration import Configuration, read

if TYPE_CHECKING:
    from pgslo.database import Connection

_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass
class Session:
    """One run of the command line.

    Attributes:
        dsn: From ``--dsn`` or ``PGSLO_DSN``; may hold a password, so it is never printed.
        config: From ``--config``.
        runtime_owner: From ``--runtime-owner`` or ``PGSLO_RUNTIME_OWNER``; never from a file that authors of definitions write.
        verbose: Whether errors come with a traceback.
        verb: The command that runs.
    """

    dsn: str | None = None
    config: Path | None = None
    runtime_owner: str | None = None
    verbose: bool = False
    verb: str = ""

    @cached_property
    def configuration(self) -> Configuration:
        """The project's configuration."""
        return read(self.config)

    def command(self, *words: object) -> str:
        """Another command of pgslo, to be typed in a shell: with the ``--config`` of this one, without which it would be about another project."""
        config = ["--config", str(self.config)] if self.config else []
        return shlex.join(["pgslo", *(str(word) for word in words), *config])

    @contextlib.contextmanager
    def connect(self, *, writes: bool = False, reason: str | None = None) -> Iterator[Connection]:
        """Connect to the database, and show the server's warnings as they come.

        Args:
            writes: Whether the command changes the database. A standby and a read-only session are refused then.
            reason: Why a command that seems only to read writes as well.

        Raises:
            DatabaseError: The connection failed, or the command writes and the server or the session is read-only.
        """
        from pgslo import database  # the driver takes a while to load

        dsn, trusted = self.dsn or self.configuration.dsn, self.runtime_owner
        with database.connect(dsn, runtime_owner=trusted) as conn:
            if (role := database.strange_owner(conn, trusted)) is not None:
                output.warning(
                    f"pgslo in this database belongs to role {role}: its functions run with your rights",
                    hint=f"if you trust that role: --runtime-owner {role}, or PGSLO_RUNTIME_OWNER={role}",
                )
            if writes:
                database.check_writable(conn, reason=reason)
            conn.add_notice_handler(output.notice)
            conn.execute("SET pgslo.heard = 'on'")  # on_read: insist
            yield conn


def again(words: str) -> str:
    """A command of pgslo to be typed next, with the ``--config`` of the one that runs.

    Args:
        words: The command as a person would type it.
    """
    context = click.get_current_context(silent=True)
    session = context.find_object(Session) if context else None
    config = f" --config {shlex.quote(str(session.config))}" if session and session.config else ""
    return f"pgslo {words}{config}"


def _set(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def callback(ctx: click.Context, _parameter: click.Parameter, value: Any) -> None:
        session = ctx.find_object(Session)
        if value and session is not None:
            setattr(session, name, value)

    return callback


def session_options(function: _Function) -> _Function:
    """The options that may be given after a verb as well as before it; after it they win."""
    return _options(function, is_root=False)


def root_options(function: _Function) -> _Function:
    """The same before a verb, where the environment is looked at: once, or it would win over ``pgslo --dsn … verb``."""
    return _options(function, is_root=True)


def _options(function: _Function, *, is_root: bool) -> _Function:
    for decorate in (
        click.option(
            "--verbose",
            is_flag=True,
            expose_value=False,
            callback=_set("verbose"),
            help="Show where in pgslo an error comes from.",
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            expose_value=False,
            callback=_set("config"),
            help="The configuration, instead of pgslo.toml here or in a folder above.",
        ),
        click.option(
            "--runtime-owner",
            envvar="PGSLO_RUNTIME_OWNER" if is_root else None,
            expose_value=False,
            callback=_set("runtime_owner"),
            metavar="ROLE",
            help="Trust this role, which need not be a superuser, as the owner of pgslo; else PGSLO_RUNTIME_OWNER.",
        ),
        click.option(
            "--dsn",
            envvar="PGSLO_DSN" if is_root else None,
            expose_value=False,
            callback=_set("dsn"),
            metavar="DSN",
            help="The database, as libpq writes it; else PGSLO_DSN, pgslo.toml, and libpq's own variables.",
        ),
    ):
        function = decorate(function)
    return function


pass_session = click.make_pass_decorator(Session)
