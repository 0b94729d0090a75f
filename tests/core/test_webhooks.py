"""Messages for programs: their contents, their links, and their visibility."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner

from pgslo.cli import main
from pgslo.cli.configuration import read
from pgslo.errors import ConfigurationError
from pgslo.notify import webhooks

AT = dt.datetime(2026, 11, 30, 9, tzinfo=dt.UTC)
ROW: dict[str, Any] = {
    "page": 7, "incident": 7, "table": "ml.bookings", "rule": "age_range", "kind": "range", "columns": ["age"],
    "summary": "age between 0 and 120", "on_breach": "warn", "owner": "growth", "state": "open", "batch": "2026-11-23",
    "newest_batch": None, "value": None, "low": None, "high": None, "score": None, "missed_batches": 1, "missed_rows": 3,
    "opened_at": AT, "over_at": None, "resolved_at": None, "resolution": None, "resolved_by": None,
    "acknowledged_at": None, "acknowledged_by": None, "tasks": [{"name": "churn", "contact": None}],
}  # fmt: skip


def sent(**changed: Any) -> webhooks.Sent:
    return webhooks.Sent(
        "oncall/7/opened/1/1", "opened", "subject", "text", 7, [ROW | changed], is_again=False, at=AT
    )


def schema() -> dict[str, Any]:
    result = CliRunner().invoke(main, ["schema", "--of", "webhook"])
    assert result.exit_code == 0, result.output
    loaded = json.loads(result.output)
    assert isinstance(loaded, dict)
    return loaded


@pytest.mark.parametrize(
    "changed",
    [{}, {"value": float("inf"), "low": 1.5}, {"owner": None, "resolved_at": AT, "state": "resolved"}],
)
def test_a_document_is_as_its_schema_says(changed: dict[str, Any]) -> None:
    made = webhooks.document(sent(**changed), "https://h/{incident}")
    described = schema()
    jsonschema.validate(made, described)
    # Each field is described, and each description is of a field.
    assert set(made) == set(described["properties"])
    assert set(made["incidents"][0]) == set(described["$defs"]["incident"]["properties"])
    json.dumps(made, allow_nan=False)


def test_the_schema_is_no_empty_one() -> None:
    made = webhooks.document(sent(), None)
    for wrong in ({"version": 2}, {"event": "lost"}, {"incidents": [{}]}, {"page": "7"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(made | wrong, schema())


def test_no_text_changes_where_a_link_leads() -> None:
    row = ROW | {"batch": "../../x?y=1#z&_*~ \n<@U1>", "rule": "/\\"}
    made = webhooks.link("https://host/{table}/{rule}?b={batch}&i={incident}", row)
    assert made == (
        "https://host/ml.bookings/%2F%5C?b=..%2F..%2Fx%3Fy%3D1%23z%26%5F%2A%7E%20%0A%3C%40U1%3E&i=7"
    )
    assert webhooks.link(None, row) is None


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("javascript:alert({incident})", "begins with https"),
        ("https://{table}/x", "begins with https"),
        ("https://h{incident}/", "begins with https"),
        ("https://h/{secret}", 'no place "{secret}"'),
        ("https://h/{}", 'no place "{}"'),
        ("https://h/ <b>", "no blanks"),
    ],
)
def test_templates_that_are_refused(tmp_path: Path, template: str, fault: str) -> None:
    file = tmp_path / "pgslo.toml"
    file.write_text(f'[notify]\nlink = "{template}"\n[notify.a]\nto = "https://h/"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=re.escape(fault)):
        read(file)


def test_routes_have_a_format_and_a_link(tmp_path: Path) -> None:
    file = tmp_path / "pgslo.toml"
    file.write_text(
        '[notify]\nlink = "https://h/{page}"\n[notify.a]\nto = "https://h/"\nformat = "json"\n'
        '[notify.b]\nto = "mailto://h"\nlink = "https://other/{table}"\n',
        encoding="utf-8",
    )
    first, second = read(file).routes
    assert (first.format, first.link) == ("json", "https://h/{page}")
    assert (second.format, second.link) == ("text", "https://other/{table}")
    file.write_text('[notify.a]\nto = "https://h/"\nformat = "xml"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match='no format "xml"'):
        read(file)


def test_long_texts_are_cut() -> None:
    made = webhooks.document(sent(batch="x" * 100_000), "https://h/{batch}")
    assert len(json.dumps(made)) < 10_000


def test_lineage_names_the_table_and_each_assertion() -> None:
    rows = [ROW, ROW | {"incident": 8, "rule": "both", "columns": ["a", "b"], "state": "resolved"}]
    event = webhooks.lineage(
        webhooks.Sent("k", "opened", "s", "t", 7, rows, is_again=False, at=AT),
        webhooks.Database("db", 5432, "shop"),
        None,
    )
    (dataset,) = event["inputs"]
    assert (dataset["namespace"], dataset["name"]) == ("postgres://db:5432", "shop.ml.bookings")
    assert dataset["inputFacets"]["dataQualityAssertions"]["assertions"] == [
        {"assertion": "age_range", "success": False, "column": "age"},
        {"assertion": "both", "success": True},
    ]
    again = webhooks.lineage(
        webhooks.Sent("k", "opened", "s", "t", 7, rows, is_again=True, at=AT),
        webhooks.Database("db", 5432, "shop"),
        None,
    )
    assert again["run"]["runId"] == event["run"]["runId"]
