"""``pgslo.toml``: where a project keeps its definitions and its kinds, and which database they are for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pgslo.cli import output
from pgslo.errors import ConfigurationError, DefinitionError, Location
from pgslo.notify import Route

FILE_NAME = "pgslo.toml"
DEFAULT_DEFINITIONS = "slos"
_KEYS = {
    "definitions": "a folder with definition files",
    "kinds": "a folder with kinds of your own",
    "dsn": "a connection string",
}
_ALL_KEYS = (*_KEYS, "holidays", "history", "notify")
#: Keys of a route, and what each holds.
_ROUTE_KEYS = {
    "to": "an apprise URL, or env:NAME",
    "table": "tables, for example features.*",
    "owner": "owners of rules or tables",
    "task": "tasks that read the column",
    "contact": "contacts of such tasks",
    "repeat": "a span, for example 4 hours",
    "format": "text, json or openlineage",
    "link": "the address of an incident, for example https://…/incidents/{incident}.html",
}
#: Keys of a route that hold one text.
_SINGLE = ("to", "repeat", "format", "link")
_FORMATS = ("text", "json", "openlineage")
_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


@dataclass(frozen=True)
class Configuration:
    """What a project's configuration says.

    Attributes:
        definitions: Folder of the definition files.
        kinds: Folder of the organisation's own kinds.
        dsn: The database, unless the command line or the environment name another.
        path: The file it comes from; ``None`` without one.
        holidays: Days that are not like others, for definitions that list none.
        history: How many batches keep their profiles and verdicts, or for how long, for definitions that say nothing of it.
        routes: Where messages about incidents go.
    """

    definitions: Path = Path(DEFAULT_DEFINITIONS)
    kinds: Path | None = None
    dsn: str | None = None
    path: Path | None = None
    holidays: tuple[str, ...] = ()
    history: int | timedelta | None = None
    routes: tuple[Route, ...] = ()


def find(start: Path) -> Path | None:
    """The configuration in a folder or the nearest above it."""
    return next(
        (place / FILE_NAME for place in (start, *start.parents) if (place / FILE_NAME).is_file()), None
    )


def read(path: Path | None) -> Configuration:
    """Read a configuration; without a path the nearest one, and without any what holds by default.

    Raises:
        ConfigurationError: The file is not there, is not TOML, or says something pgslo does not know.
    """
    if path is None:
        path = find(Path.cwd())
        if path is None:
            return Configuration()
        path = output.shown_path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as exc:
        raise ConfigurationError(
            f"cannot read the configuration {path}: {(exc.strerror or str(exc)).lower()}"
        ) from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(
            "the configuration is not UTF-8", location=Location(str(path), 1, 1)
        ) from exc
    return _checked(_parse(text, path), text, path)


def _parse(text: str, path: Path) -> dict[str, Any]:
    import tomllib  # only projects with a configuration need it

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        words = str(exc)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)\Z", words)
        line, column = (place[1], place[2]) if place and place[1] else (max(text.count("\n"), 1), 1)
        message = words[: place.start()] if place else words
        raise ConfigurationError(
            f"not TOML: {message[:1].lower()}{message[1:]}",
            location=Location(str(path), int(line), int(column)),
        ) from None


def _checked(values: dict[str, Any], text: str, path: Path) -> Configuration:
    for key, value in values.items():
        location = _place(key, text, path)
        if key in ("holidays", "history", "notify"):
            continue
        if key not in _KEYS:
            raise ConfigurationError(
                f'key "{key}" does not exist',
                hint=output.did_you_mean(key, _ALL_KEYS).strip() or f"one of: {', '.join(_ALL_KEYS)}",
                location=location,
            )
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise ConfigurationError(
                f'"{key}" has to be a text: {_KEYS[key]}', hint=f'{key} = "…"', location=location
            )
    folder = path.parent
    return Configuration(
        definitions=folder / Path(values.get("definitions", DEFAULT_DEFINITIONS)).expanduser(),
        kinds=folder / Path(values["kinds"]).expanduser() if "kinds" in values else None,
        dsn=values.get("dsn"),
        path=path,
        holidays=tuple(_holidays(values["holidays"], text, path)) if "holidays" in values else (),
        history=_history(values["history"], text, path) if "history" in values else None,
        routes=tuple(_routes(values["notify"], text, path)) if "notify" in values else (),
    )


def _holidays(days: Any, text: str, path: Path) -> Iterator[str]:
    """Days as TOML's own dates, or as texts, where ``12-25`` is a day of each year."""
    from pgslo.definition.yaml.durations import is_day  # brings YAML along, which help does without

    location = _place("holidays", text, path)
    for day in _listed(days):
        # A time of TOML's is a date to Python as well.
        written = day.isoformat() if type(day) is date else day
        if not isinstance(written, str) or not is_day(written):
            raise ConfigurationError(
                f'"{day}" is not a day', hint='holidays = ["12-25", 2026-11-26]', location=location
            )
        yield written


def _history(value: Any, text: str, path: Path) -> int | timedelta:
    """A number of batches or a span, as definitions write it."""
    from pgslo.definition.yaml.durations import History
    from pgslo.definition.yaml.nodes import Scalar

    location = _place("history", text, path)
    if not isinstance(value, str):
        raise ConfigurationError(
            f'"{value}" is not a history', hint='history = "400 batches"', location=location
        )
    try:
        return History().read(Scalar(value, value, location))
    except DefinitionError as exc:
        raise ConfigurationError(exc.message, detail=exc.detail, hint=exc.hint, location=location) from None


def _routes(notify: Any, text: str, path: Path) -> Iterator[Route]:
    """The content of ``[notify]``: ``repeat``, and a table for each route."""
    if not isinstance(notify, dict):
        raise ConfigurationError(
            '"notify" has to be a table', hint="[notify.oncall]", location=_place("notify", text, path)
        )
    repeat = _span(notify["repeat"], "repeat", text, path) if "repeat" in notify else None
    link = _link(notify["link"], _place("link", text, path)) if "link" in notify else None
    for name, keys in notify.items():
        if name in ("repeat", "link"):
            continue
        location = _place(f"notify.{name}", text, path)
        if not isinstance(keys, dict) or not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name):
            raise ConfigurationError(
                f'route "{name}" has to be a table with a plain name',
                hint='[notify.oncall], and below it: to = "slack://…"',
                location=location,
            )
        for key, value in keys.items():
            if key not in _ROUTE_KEYS:
                raise ConfigurationError(
                    f'key "{key}" does not exist in a route',
                    hint=output.did_you_mean(key, _ROUTE_KEYS).strip() or f"one of: {', '.join(_ROUTE_KEYS)}",
                    location=location,
                )
            if not all(isinstance(one, str) and one.strip() for one in _listed(value)) or (
                isinstance(value, list) and (key in _SINGLE or not value)
            ):
                raise ConfigurationError(
                    f'"{key}" of route "{name}" has to be a text: {_ROUTE_KEYS[key]}', location=location
                )
        if "to" not in keys:
            raise ConfigurationError(
                f'route "{name}" says no "to"', hint=f"to = {_ROUTE_KEYS['to']}", location=location
            )
        if (form := keys.get("format", "text")) not in _FORMATS:
            raise ConfigurationError(
                f'route "{name}" has no format "{form}"',
                hint=f"format = {_ROUTE_KEYS['format']}",
                location=location,
            )
        yield Route(
            name=name,
            to=keys["to"],
            tables=tuple(_listed(keys.get("table", []))),
            owners=tuple(_listed(keys.get("owner", []))),
            tasks=tuple(_listed(keys.get("task", []))),
            contacts=tuple(_listed(keys.get("contact", []))),
            repeat=_span(keys["repeat"], f"notify.{name}", text, path) if "repeat" in keys else repeat,
            format=form,
            link=_link(keys["link"], location) if "link" in keys else link,
        )


def _link(template: Any, location: Location) -> str:
    """A template of addresses."""
    from pgslo.notify.webhooks import template_faults  # brings HTTP along, which help does without

    hint = f"link = {_ROUTE_KEYS['link']}"
    if not isinstance(template, str):
        raise ConfigurationError('"link" has to be a text', hint=hint, location=location)
    for fault in template_faults(template):
        raise ConfigurationError(fault, hint=hint, location=location)
    return template


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _span(value: Any, key: str, text: str, path: Path) -> timedelta:
    """A span such as ``4 hours``."""
    match = re.fullmatch(r"(\d{1,4}) (second|minute|hour|day)s?", value if isinstance(value, str) else "")
    if match is None or int(match[1]) == 0:
        raise ConfigurationError(
            f'"{value}" is not a span', hint="for example: 4 hours", location=_place(key, text, path)
        )
    return timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _place(key: str, text: str, path: Path) -> Location:
    """Where a key or a table of that name begins, which tomllib does not report."""
    name = re.compile(rf"""[ \t]*(?:\[+[ \t]*)?(?P<key>["']?{re.escape(key)}["']?)[ \t]*[=.\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if match := name.match(line):
            return Location(str(path), number, match.start("key") + 1)
    return Location(str(path), 1, 1)
