"""Everything pgslo refuses, one class per cause, in PostgreSQL's error style: what, detail, hint, place."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Errors that are gathered at a time: more are rarely fixed before the next try.
MAX_ERRORS = 100


@dataclass(frozen=True, order=True)
class Location:
    """A place in a definition file.

    Attributes:
        path: The file as the author named it, for example ``slos/user_stats.yml``.
        line: Line, counted from 1.
        column: Column in characters, counted from 1.
    """

    path: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class PgsloError(Exception):
    """A command or a call failed.

    Args:
        message: What happened, lower case, without a full stop, as PostgreSQL's style guide asks.
        detail: Facts that help to understand it, in whole sentences.
        hint: What to do about it.
        location: The place in a definition file, when there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        location: Location | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.location = location

    def __str__(self) -> str:
        place = f"{self.location}: error: " if self.location else ""
        lines = [place + self.message]
        if self.detail:
            lines.append(f"detail: {self.detail}")
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class DefinitionError(PgsloError):
    """A definition file says something that pgslo does not understand or does not allow."""


class DefinitionErrors(PgsloError):
    """Several definition errors, all reported at once so that an author can fix a file at once.

    Attributes:
        errors: The errors in file order; never empty.
    """

    def __init__(self, errors: tuple[DefinitionError, ...]) -> None:
        super().__init__(f"{len(errors)} errors in definitions")
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class Problems:
    """The errors of a definition, gathered so that an author can fix it at once."""

    def __init__(self) -> None:
        self.errors: list[DefinitionError] = []

    def add(self, error: DefinitionError) -> None:
        """Keep an error once, however often it is found.

        Raises:
            DefinitionErrors: It is one too many.
        """
        if not any(str(one) == str(error) for one in self.errors):
            self.errors.append(error)
        if len(self.errors) >= MAX_ERRORS:
            self.check()

    def extend(self, errors: Iterable[DefinitionError]) -> None:
        """Keep several."""
        for error in errors:
            self.add(error)

    def collecting(self) -> _Collecting:
        """Keep the errors that end a ``with`` block, and go on after it."""
        return _Collecting(self)

    def check(self) -> None:
        """Raise the gathered errors, in file order.

        Raises:
            DefinitionErrors: There is at least one.
        """
        if self.errors:
            raise DefinitionErrors(tuple(sorted(self.errors, key=_order)))


class _Collecting:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        match error:
            case DefinitionErrors():
                self._problems.extend(error.errors)
            case DefinitionError():
                self._problems.add(error)
            case _:
                return False
        return True


def _order(error: DefinitionError) -> tuple[str, int, int]:
    place = error.location
    return (place.path, place.line, place.column) if place else ("", 0, 0)


class ConfigurationError(PgsloError):
    """The project's configuration, or a kind of its own, cannot be used."""


class CatalogError(DefinitionError):
    """A definition does not fit the database: no such table or column, or a type the rule cannot judge."""


class PlanError(PgsloError):
    """The wanted state cannot be reached from the installed one without losing something."""


class PlanOutdated(PgsloError):
    """The database moved since the plan was made."""


class DatabaseError(PgsloError):
    """The database refused, could not be reached, or is too old.

    Attributes:
        sqlstate: The server's five-character code, or ``None`` when no server answered.
        schema: The schema of the table that the error is about, where the server names one.
    """

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        location: Location | None = None,
        sqlstate: str | None = None,
        schema: str | None = None,
    ) -> None:
        super().__init__(message, detail=detail, hint=hint, location=location)
        self.sqlstate = sqlstate
        self.schema = schema


class RuntimeMismatch(PgsloError):
    """The library and the runtime installed in the database do not fit (SL003)."""


class NotifyError(PgsloError):
    """A message could not be delivered."""


class EmbeddedError(PgsloError):
    """The private PostgreSQL server could not be found, started or stopped."""
