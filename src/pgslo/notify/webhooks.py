"""Messages for programs: fields of incidents as versioned JSON, or as events of OpenLineage, sent by HTTP."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pgslo.display import json_text
from pgslo.errors import NotifyError

#: Version of the document, which ``webhook.schema.json`` describes.
VERSION = 1
Format = Literal["text", "json", "openlineage"]
FORMATS: tuple[Format, ...] = ("text", "json", "openlineage")
#: What a template of links may name.
PLACES = ("incident", "page", "table", "rule", "batch")
_PLACE = re.compile(r"\{(\w*)\}")
#: Seconds until a receiver that does not answer has failed.
_TIMEOUT = 10
#: Characters of one text; a longer one is cut, as in messages for people.
_LONGEST = 1000
_PRODUCER = "https://pypi.org/project/pgslo/"
_EVENT_SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACET_SCHEMA = "https://openlineage.io/spec/facets/1-0-1/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet"


@dataclass(frozen=True)
class Sent:
    """A message that is sent now.

    Attributes:
        key: The same for each attempt.
        event: Its event.
        subject: Its first line, for people.
        text: The rest, for people.
        page: The number of the page.
        incidents: Rows of ``sql/catalog/sent_incidents.sql``: as they are when it is sent.
        is_again: Whether an earlier attempt may have arrived.
        at: The clock of the database.
    """

    key: str
    event: str
    subject: str
    text: str
    page: int
    incidents: Sequence[Mapping[str, Any]]
    is_again: bool
    at: dt.datetime


@dataclass(frozen=True)
class Database:
    """Where the tables are, as lineage names it."""

    host: str
    port: int
    name: str


def link(template: str | None, incident: Mapping[str, Any]) -> str | None:
    """Return the address of an incident: every value is encoded, so that none changes where the link leads."""
    if template is None:
        return None
    return _PLACE.sub(lambda place: _encoded(str(incident[place[1]])), template)


def _encoded(text: str) -> str:
    # Not reserved in addresses, but markup to chat programs.
    return urllib.parse.quote(text[:_LONGEST], safe="").replace("_", "%5F").replace("~", "%7E")


def template_faults(template: str) -> Iterator[str]:
    """Yield the errors of a template of links."""
    if not re.match(r"https?://[^\s/{}]+(/|\Z)", template):
        yield "a link begins with https:// or http:// and a host without a place in it"
    if re.search(r"[\s<>\"'`\\]", template):
        yield "a link has no blanks, quotes or angle brackets"
    for name in _PLACE.findall(template):
        if name not in PLACES:
            yield f'a link has no place "{{{name}}}"; it has {", ".join(f"{{{one}}}" for one in PLACES)}'


def document(sent: Sent, template: str | None) -> dict[str, Any]:
    """Return the fields of a message, as ``webhook.schema.json`` describes them."""
    incidents = [_incident(row, template) for row in sent.incidents]
    first = incidents[0] if incidents else {}
    return {
        "version": VERSION,
        "key": sent.key,
        "event": sent.event,
        "sent_at": _moment(sent.at),
        "repetition": sent.is_again,
        "page": sent.page,
        "table": first.get("table"),
        "subject": _cut(sent.subject),
        "text": sent.text,
        "link": first.get("link"),
        "incidents": incidents,
    }


def _incident(row: Mapping[str, Any], template: str | None) -> dict[str, Any]:
    fields = {
        key: _moment(value) if isinstance(value, dt.datetime) else _plain(value) for key, value in row.items()
    }
    del fields["page"]
    return fields | {"link": link(template, row)}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; numbers that JSON has not are texts."""
    match value:
        case str():
            return _cut(value)
        case float() if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN alone
            return str(value)
        case Mapping():
            return {key: _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
    return value


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _moment(when: dt.datetime) -> str:
    return when.astimezone(dt.UTC).isoformat()


def lineage(sent: Sent, database: Database, template: str | None) -> dict[str, Any]:
    """Return a message as an event of OpenLineage: which assertions about a table failed, or hold again."""
    rows = list(sent.incidents)
    table = str(rows[0]["table"]) if rows else ""
    assertions = [
        {
            "assertion": _cut(str(row["rule"])),
            "success": row["state"] != "open",
            **({"column": _cut(row["columns"][0])} if len(row["columns"]) == 1 else {}),
        }
        for row in rows
    ]
    facet = {"_producer": _PRODUCER, "_schemaURL": _FACET_SCHEMA, "assertions": assertions}
    address = link(template, rows[0]) if rows else None
    documentation = {
        "documentation": {
            "_producer": _PRODUCER,
            "_schemaURL": "https://openlineage.io/spec/facets/1-0-1/DocumentationJobFacet.json#/$defs/DocumentationJobFacet",
            "description": _cut(sent.subject) + (f" {address}" if address else ""),
        }
    }
    return {
        "eventType": "COMPLETE",
        "eventTime": _moment(sent.at),
        "producer": _PRODUCER,
        "schemaURL": _EVENT_SCHEMA,
        # The same for each attempt: a receiver recognises a repetition by it.
        "run": {"runId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"pgslo:{database}:{sent.key}")), "facets": {}},
        "job": {"namespace": "pgslo", "name": table, "facets": documentation},
        "inputs": [
            {
                "namespace": f"postgres://{database.host}:{database.port}",
                "name": f"{database.name}.{table}",
                "inputFacets": {"dataQualityAssertions": facet},
            }
        ],
        "outputs": [],
    }


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Messages are sent to the configured address, and nowhere else."""

    def redirect_request(self, *_args: Any) -> None:
        """Follow none."""


def post(address: str, content: Mapping[str, Any], *, key: str) -> None:
    """Send a document.

    Args:
        address: Where to; a name and a password in it become a header.
        content: The document.
        key: Of the message, as a header, by which a receiver can ignore a repetition.

    Raises:
        NotifyError: It was not accepted, or could not be tried.
    """
    parts = urllib.parse.urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NotifyError("the address is not one of HTTP", hint='to = "https://…"')
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "pgslo",
        "Idempotency-Key": urllib.parse.quote(key, safe="/"),
    }
    if parts.username is not None:
        secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
    plain = urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    body = json_text(json.dumps(content, ensure_ascii=False, allow_nan=False)).encode()
    request = urllib.request.Request(plain, data=body, headers=headers, method="POST")  # noqa: S310 - checked above
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT):
            pass
    except urllib.error.HTTPError as exc:
        raise NotifyError(f"the receiver answered {exc.code}") from None
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "reason", exc)
        raise NotifyError(f"the receiver cannot be reached: {type(reason).__name__}") from None
