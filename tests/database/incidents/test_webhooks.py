"""``pgslo watch`` with a route in JSON: fields of incidents, figures only of what the role may see."""

from __future__ import annotations

import base64
import http.server
import importlib.util
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo.cli import main
from pgslo.cli.authoring.schema import WEBHOOK

pytestmark = pytest.mark.slow

TABLE = "CREATE SCHEMA features; CREATE TABLE features.stats (id int, day date, age int, amount numeric)"
DEFINITION = """
table: features.stats
key: [id]
owner: growth
writes: bulk
watch: false
batch: {by: day}
columns:
  age: [range: {min: 0, max: 120}]
  amount:
    - completeness: {min: 0.9}
    - statistic: {of: max, max: 10}
tasks:
  churn: {contact: "#churn", reads: [age, amount]}
"""


@dataclass
class Receiver:
    """A web server that stores posted messages."""

    port: int = 0
    got: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answer: int = 200


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    taken = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            taken.headers.append(dict(self.headers))
            self.send_response(taken.answer)
            if taken.answer == 302:
                self.send_header("Location", f"http://127.0.0.1:{taken.port}/other")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - as http.server calls it

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield taken
        server.shutdown()
        thread.join()


@pytest.fixture
def missed(
    apply: Callable[[str], Any],
    connection: psycopg.Connection[Any],
    dsn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> psycopg.Connection[Any]:
    """A batch that misses three rules."""
    connection.execute(TABLE)
    apply(DEFINITION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    connection.execute(
        "INSERT INTO features.stats VALUES (1, '2026-11-01', 999, 77), (2, '2026-11-01', 9, NULL), (3, '2026-11-01', 9, NULL)"
    )
    connection.execute("SELECT pgslo.close_batch('features.stats', '2026-11-01')")
    return connection


def once(receiver: Receiver, *rest: str, user: str = "", dsn: str | None = None) -> Result:
    lines = [f'to = "http://{user}127.0.0.1:{receiver.port}/hook"', *rest]
    Path("pgslo.toml").write_text("[notify.hook]\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return CliRunner().invoke(main, ["watch", "--once", *(["--dsn", dsn] if dsn else [])])


@pytest.mark.usefixtures("missed")
def test_the_fields_of_a_page(receiver: Receiver) -> None:
    template = "link = 'https://host/{table}?incident={incident}'"
    result = once(receiver, "format = 'json'", template, user="me:s%40cret@")
    assert result.exit_code == 0, result.output
    (sent,) = receiver.got
    jsonschema.validate(sent, json.loads(WEBHOOK.read_text(encoding="utf-8")))
    assert (sent["event"], sent["table"], sent["repetition"]) == ("opened", "features.stats", False)
    found = {one["rule"]: one for one in sent["incidents"]}
    assert set(found) == {"age_range", "amount_completeness", "amount_statistic"}
    complete = found["amount_completeness"]
    assert (complete["value"], complete["low"], complete["newest_batch"]) == (
        pytest.approx(1 / 3),
        0.9,
        "2026-11-01",
    )
    assert complete["tasks"] == [{"name": "churn", "contact": "#churn"}]
    assert (found["amount_statistic"]["value"], found["amount_statistic"]["high"]) == (77, 10)
    assert found["age_range"]["missed_rows"] == 3
    assert "999" not in json.dumps(sent)
    number = found["age_range"]["incident"]
    assert found["age_range"]["link"] == f"https://host/features.stats?incident={number}"
    (headers,) = receiver.headers
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["Idempotency-Key"] == sent["key"]
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"me:s@cret").decode()
    assert "cret" not in result.output
    assert once(receiver, "format = 'json'").exit_code == 0
    assert len(receiver.got) == 1


@pytest.mark.usefixtures("missed")
def test_figures_are_of_roles_that_may_see_them(
    receiver: Receiver, role: Callable[[str], str], dsn: str
) -> None:
    operator = role("operator")
    granted = CliRunner().invoke(main, ["grants", "--execute", "operator", operator])
    assert granted.exit_code == 0, granted.output
    as_operator = psycopg.conninfo.make_conninfo(dsn, options=f"-c role={operator}")
    result = once(receiver, "format = 'json'", dsn=as_operator)
    assert result.exit_code == 0, result.output
    (sent,) = receiver.got
    found = {one["rule"]: one for one in sent["incidents"]}
    assert {one["value"] for one in found.values()} == {None}
    assert {one["low"] for one in found.values()} == {None}
    assert not {"77", "999"} & set(re.findall(r"\d+", json.dumps(sent)))


def test_a_refusal_is_tried_again_with_the_same_key(
    missed: psycopg.Connection[Any], receiver: Receiver
) -> None:
    for answer in (500, 302):
        receiver.answer = answer
        result = once(receiver, "format = 'json'")
        assert result.exit_code == 1
        assert f"the receiver answered {answer}" in result.output
        missed.execute("UPDATE pgslo_catalog.delivery SET next_attempt_at = now()")
    receiver.answer = 204
    assert once(receiver, "format = 'json'").exit_code == 0
    # No redirection was followed.
    assert len({one["key"] for one in receiver.got}) == 1
    assert [one["repetition"] for one in receiver.got] == [False, True, True]


@pytest.mark.usefixtures("missed")
def test_openlineage(receiver: Receiver) -> None:
    assert once(receiver, "format = 'openlineage'").exit_code == 0
    (event,) = receiver.got
    (dataset,) = event["inputs"]
    assert dataset["name"].endswith(".features.stats")
    assertions = dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert {(one["assertion"], one["success"], one.get("column")) for one in assertions} == {
        ("age_range", False, "age"),
        ("amount_completeness", False, "amount"),
        ("amount_statistic", False, "amount"),
    }


def test_the_link_of_a_message_for_people(missed: psycopg.Connection[Any], receiver: Receiver) -> None:
    link = "link = 'https://host/{table}/{incident}'"
    Path("pgslo.toml").write_text(
        f'[notify.hook]\nto = "json://127.0.0.1:{receiver.port}/"\n{link}\n', encoding="utf-8"
    )
    assert CliRunner().invoke(main, ["watch", "--once"]).exit_code == 0
    (sent,) = receiver.got
    (number,) = missed.execute("SELECT min(incident_id) FROM pgslo.incident").fetchone() or (0,)
    assert sent["message"].rstrip().endswith(f"\nhttps://host/features.stats/{number}")


@pytest.mark.usefixtures("missed")
def test_a_watch_that_could_send_nothing_does_not_begin(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "apprise" else find(name, *rest)
    )
    refused = once(receiver, "format = 'text'")
    assert refused.exit_code == 1
    assert "error: messages need apprise\nhint: install pgslo with its extra" in refused.output
    # Routes in JSON need none.
    assert once(receiver, "format = 'json'").exit_code == 0
    assert len(receiver.got) == 1
