"""The recipients, times and words of incident notifications. Decides; sending is one function, through apprise."""

from __future__ import annotations

import datetime as dt
import fnmatch
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from pgslo.display import neutral, one_line
from pgslo.errors import NotifyError

Event = Literal["opened", "repeated", "over", "resolved"]

_FROM_ENVIRONMENT = "env:"
#: Characters of one text of a message; a longer one is cut, because receivers refuse long messages.
_LONGEST = 300
_LONGEST_ABOUT = 100
_LONGEST_BATCH = 60
#: Incidents that a message describes; it counts the rest.
_MOST_INCIDENTS = 20


@dataclass(frozen=True)
class Route:
    """Where messages go, and about what.

    Attributes:
        name: Its name in the configuration; messages that were sent are known by it.
        to: An apprise URL, or ``env:NAME`` for one that the environment holds.
        tables: Patterns of tables; empty: all. The same holds for the others.
        owners: Of the rule or its definition.
        tasks: That read a column the rule is about.
        contacts: Of such tasks.
        repeat: How often an open page is sent again until it is acknowledged; ``None``: never.
        format: The format: ``text`` by apprise, or ``json`` or ``openlineage`` by HTTP (``webhooks.py``).
        link: A template of the address of an incident; ``None``: messages have none.
    """

    name: str
    to: str
    tables: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    repeat: dt.timedelta | None = None
    format: str = "text"
    link: str | None = None

    def wants(self, incident: Incident) -> bool:
        """Whether an incident is sent on this route."""
        return (
            (not self.tables or any(fnmatch.fnmatchcase(incident.definition, one) for one in self.tables))
            and (not self.owners or incident.owner in self.owners)
            and (not self.tasks or any(task in self.tasks for task, _ in incident.tasks))
            and (not self.contacts or any(contact in self.contacts for _, contact in incident.tasks))
        )


@dataclass(frozen=True)
class Incident:
    """What a message needs to know of an incident.

    Attributes:
        opening: Number of the event that opened it, or reopened it last.
        over_mark: Number of the event with which it was over last, or 0.
        ending: Number of the event that resolved it last; 0 when none did.
        over_at: When later batches met its rule; ``None`` while it is open.
        stored: How many of its missed batches are stored, in words.
        tasks: Name and contact of the tasks that read it.
    """

    page: int
    incident_id: int
    definition: str
    batch: str
    rule: str
    columns: tuple[str, ...]
    summary: str
    owner: str | None
    opened_at: dt.datetime
    opening: int
    over_mark: int = 0
    ending: int = 0
    over_at: dt.datetime | None = None
    stored: str | None = None
    resolved_at: dt.datetime | None = None
    resolution: str | None = None
    resolved_by: str | None = None
    acknowledged_at: dt.datetime | None = None
    is_muted: bool = False
    newest_missed_batch: str | None = None
    written_by: str | None = None
    tasks: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Incident:
        """From a row of ``sql/catalog/paged_incidents.sql``."""
        values = {key: row[key] for key in cls.__dataclass_fields__ if key in row}
        return cls(
            **values
            | {
                "columns": tuple(row["columns"]),
                "is_muted": bool(row["is_muted"]),
                "tasks": tuple((task["name"], task["contact"]) for task in row["tasks"]),
            }
        )


@dataclass(frozen=True)
class Delivery:
    """A message that was written down before."""

    delivery_key: str
    recipient: str
    page: int
    event: Event
    incidents: tuple[int, ...]
    queued_at: dt.datetime

    @property
    def mark(self) -> int:
        """The number of its event."""
        return int(self.delivery_key.split("/")[3])


@dataclass(frozen=True)
class Message:
    """A message to be written down and sent.

    Attributes:
        key: The same for the same news, so that it is written down once.
    """

    key: str
    recipient: str
    page: int
    event: Event
    incidents: tuple[int, ...]
    subject: str
    body: str = field(repr=False)


def decide(
    incidents: Iterable[Incident],
    routes: Sequence[Route],
    deliveries: Iterable[Delivery],
    *,
    since: Mapping[str, dt.datetime],
    now: dt.datetime,
) -> tuple[Message, ...]:
    """The messages that are due now.

    Args:
        incidents: By page.
        routes: Where messages go.
        deliveries: The earlier records of these pages.
        since: When each route was first known; incidents that were over before are not sent to it.
        now: The database's clock.
    """
    before = tuple(deliveries)
    found = []
    for page, group in groupby(incidents, key=lambda incident: incident.page):
        together = tuple(group)
        for route in routes:
            wanted = tuple(incident for incident in together if route.wants(incident))
            known = [one for one in before if one.recipient == route.name and one.page == page]
            if wanted and (message := _decide_one(wanted, route, known, since[route.name], now)):
                found.append(message)
    return tuple(found)


def _decide_one(
    wanted: tuple[Incident, ...],
    route: Route,
    known: list[Delivery],
    since: dt.datetime,
    now: dt.datetime,
) -> Message | None:
    opened = [one for one in known if one.event == "opened"]
    still = tuple(incident for incident in wanted if incident.over_at is None)
    if not still:
        event: Event = "resolved"
        mark = max(incident.ending for incident in wanted)
        if any(incident.resolved_at is None for incident in wanted):
            event, mark = "over", max(incident.over_mark for incident in wanted)
        was_told = bool(opened)
        is_news = was_told or max(incident.opened_at for incident in wanted) >= since
        if not is_news or any(one.event == event and one.mark >= mark for one in known):
            return None
        return _message(event, route, wanted, mark, was_told=was_told)
    heard = tuple(incident for incident in still if not incident.is_muted)
    if not heard:
        return None

    def was_told_of(incident: Incident) -> bool:
        return any(incident.incident_id in one.incidents and one.mark >= incident.opening for one in opened)

    if not all(was_told_of(incident) for incident in heard):
        mark = max(incident.opening for incident in heard)
        number = 1 + sum(one.mark == mark for one in opened)  # one that was muted so far joins the sent ones
        return _message("opened", route, heard, mark, number=number)
    if route.repeat is None or all(incident.acknowledged_at for incident in heard):
        return None
    mark = max(one.mark for one in opened)
    repeated = [one for one in known if one.event == "repeated" and one.mark == mark]
    last = max(one.queued_at for one in (*opened, *repeated))
    if now - last < route.repeat:
        return None
    return _message("repeated", route, heard, mark, number=len(repeated) + 1)


def _message(
    event: Event,
    route: Route,
    incidents: tuple[Incident, ...],
    mark: int,
    *,
    number: int = 1,
    was_told: bool = True,
) -> Message:
    first = incidents[0]
    key = f"{route.name}/{first.page}/{event}/{mark}/{number}"
    columns = list(dict.fromkeys(column for incident in incidents for column in incident.columns))
    about = _cut(f"{first.definition}{': ' if columns else ''}{', '.join(columns)}", _LONGEST_ABOUT)
    batch = _cut(first.batch, _LONGEST_BATCH)
    rules = "1 rule" if len(incidents) == 1 else f"{len(incidents)} rules"
    match event:
        case "opened":
            subject = f"{about}: {rules} missed, batch {batch}"
        case "repeated":
            subject = f"still open: {about}: {rules} missed since {_moment(first.opened_at)}"
        case "over":
            subject = f"{'over' if was_told else 'missed meanwhile, and over'}, {_stored(incidents)}: {about}: {rules}, batch {batch}"
        case _:
            subject = f"{'resolved' if was_told else 'missed and resolved meanwhile'}: {about}: {rules}, batch {batch}"
    lines = []
    for incident in incidents[:_MOST_INCIDENTS]:
        rule, summary = _cut(incident.rule), _cut(incident.summary)
        lines.append(f"Incident {incident.incident_id}: rule {rule} expects {summary}.")
        if incident.resolved_at is not None:
            by = f" by {_cut(incident.resolved_by)}" if incident.resolved_by else ""
            words = (incident.resolution or "").replace("_", " ")
            lines.append(
                f"Resolved ({words}){by} at {_moment(incident.resolved_at)}, open since {_moment(incident.opened_at)}."
            )
        elif incident.over_at is not None:
            lines.append(
                f"Over, {incident.stored or 'no missed batch is stored'}. Later batches meet the rule."
            )
            lines.append(
                "Readers of these batches are warned until they are corrected, removed or accepted: "
                f"pgslo incidents accept {incident.incident_id} --reason …"
            )
        elif incident.newest_missed_batch:
            lines.append(_cut(incident.newest_missed_batch))
        if incident.written_by and incident.over_at is None:
            lines.append(f"Written by {_cut(incident.written_by)}.")
        if incident.tasks:
            names = ", ".join(f"{name} ({contact})" if contact else name for name, contact in incident.tasks)
            lines.append(f"Read by {_cut(names)}.")
        lines.append("")
    if len(incidents) > _MOST_INCIDENTS:
        lines += [f"And {len(incidents) - _MOST_INCIDENTS} more incidents.", ""]
    lines.append(f"Owner: {_cut(first.owner or 'unknown')}. More: pgslo explain {first.incident_id}")
    return Message(
        key,
        route.name,
        first.page,
        event,
        tuple(incident.incident_id for incident in incidents),
        subject,
        "\n".join(lines),
    )


def _stored(incidents: Sequence[Incident]) -> str:
    """The stored batches of incidents that are over, in words."""
    found = [incident.stored for incident in incidents if incident.resolved_at is None and incident.stored]
    return found[0] if len(set(found)) == 1 else "missed batches are still stored"


def _cut(text: str, longest: int = _LONGEST) -> str:
    """A text of another role on one line, cut to a length."""
    line = one_line(text[: 2 * longest])  # a key of megabytes is not read to its end
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _moment(when: dt.datetime) -> str:
    return f"{when.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"


def send(
    to: str, *, event: str, subject: str, body: str, key: str, is_again: bool, link: str | None = None
) -> None:
    """Send one message as plain text: no text in it is markup to its receiver (``display.neutral``).

    Args:
        to: An apprise URL, or ``env:NAME``.
        event: Its event.
        subject: Its first line.
        body: The rest.
        key: Shown at the end, so that a receiver can recognise a repetition.
        is_again: Whether an earlier attempt may have arrived.
        link: The address of the incident, encoded; the only one in the message.

    Raises:
        NotifyError: It was not accepted, or could not be tried.
    """
    try:
        import apprise  # an extra, which takes a while to load
    except ModuleNotFoundError:
        raise no_apprise() from None

    if is_again:
        body = f"{body}\nThis may be a repetition: an earlier attempt was not confirmed."
    sender = apprise.Apprise()
    address = resolve(to)
    if not sender.add(address):
        raise NotifyError("the address is not one that apprise knows", hint="apprise's wiki lists them")
    kind = apprise.NotifyType.SUCCESS if event == "resolved" else apprise.NotifyType.FAILURE
    for service in sender:
        # A receiver refuses a message that is too long for it, unless the address says what to do with the rest.
        if service.overflow_mode == apprise.OverflowMode.UPSTREAM and "overflow=" not in address:
            service.overflow_mode = apprise.OverflowMode.SPLIT
    # Declared as text, it is escaped for receivers that take HTML; undeclared, it would be taken for HTML.
    if not sender.notify(
        title=neutral(one_line(subject)),
        body=neutral(f"{body}\nMessage {key}") + (f"\n{link}" if link else ""),
        notify_type=kind,
        body_format=apprise.NotifyFormat.TEXT,
    ):
        raise NotifyError("the receiver did not take the message")


def no_apprise() -> NotifyError:
    """Return the error where the extra is not installed."""
    return NotifyError(
        "messages need apprise", hint="install pgslo with its extra: pip install 'pgslo[notify]'"
    )


def resolve(to: str) -> str:
    """The address itself, where the environment holds it.

    Raises:
        NotifyError: It does not.
    """
    if not to.startswith(_FROM_ENVIRONMENT):
        return to
    name = to.removeprefix(_FROM_ENVIRONMENT)
    found = os.environ.get(name)
    if not found:
        raise NotifyError(
            f"the environment variable {name} is not set", hint="it holds the address of a route"
        )
    return found
