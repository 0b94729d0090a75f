"""Recipients, contents and times of notifications: decided without a database."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

from pgslo.cli.configuration import read
from pgslo.errors import ConfigurationError, NotifyError
from pgslo.notify import Delivery, Incident, Message, Route, decide, resolve, send

NOW = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
ALL = Route("all", "json://localhost")
AGE = Incident(
    page=1,
    incident_id=1,
    definition="features.stats",
    batch="2026-11-25",
    rule="age_range",
    columns=("age",),
    summary="age between 0 and 120",
    owner="growth",
    opened_at=NOW - HOUR,
    opening=10,
    tasks=(("churn", "#churn"),),
)
COUNTRY = replace(
    AGE, incident_id=2, rule="country_values", columns=("country",), opening=11, tasks=(("spend", "#spend"),)
)


class Told:
    """Decides again and again, and remembers the messages, as the outbox does."""

    def __init__(self, *routes, since=NOW - 24 * HOUR):
        self.routes = routes or (ALL,)
        self.since = {route.name: since for route in self.routes}
        self.known: list[Delivery] = []

    def now(self, *incidents, at=NOW) -> list[Message]:
        found = decide(incidents, self.routes, self.known, since=self.since, now=at)
        assert len({message.key for message in found} | {one.delivery_key for one in self.known}) == len(
            found
        ) + len(self.known), "every message has a key of its own"
        self.known += [
            Delivery(one.key, one.recipient, one.page, one.event, one.incidents, at) for one in found
        ]
        return list(found)


def resolved(incident, ending=20, resolution="met"):
    return replace(incident, over_at=NOW, resolved_at=NOW, ending=ending, resolution=resolution)


def over(incident, mark=20, stored="3 missed batches with 84 rows are still stored"):
    return replace(incident, over_at=NOW, over_mark=mark, stored=stored)


def events(messages):
    return [(one.recipient, one.event) for one in messages]


def test_columns_that_broke_together_are_one_message_that_names_each():
    told = Told()
    (message,) = told.now(AGE, COUNTRY)
    assert message.subject == "features.stats: age, country: 2 rules missed, batch 2026-11-25"
    assert "rule age_range expects age between 0 and 120." in message.body
    assert "Read by spend (#spend)." in message.body
    assert told.now(AGE, COUNTRY) == []
    (end,) = told.now(resolved(AGE), resolved(COUNTRY, 21))
    assert end.event == "resolved"
    assert told.now(resolved(AGE), resolved(COUNTRY, 21)) == []


def test_nothing_is_said_until_the_last_of_a_page_is_resolved():
    told = Told()
    told.now(AGE, COUNTRY)
    assert told.now(resolved(AGE), COUNTRY) == []
    assert events(told.now(resolved(AGE), resolved(COUNTRY, 21))) == [("all", "resolved")]


def test_an_incident_that_is_over_is_told_as_such_and_again_when_it_is_resolved():
    told = Told()
    told.now(AGE)
    (message,) = told.now(over(AGE))
    assert message.event == "over"
    assert message.subject == (
        "over, 3 missed batches with 84 rows are still stored: features.stats: age: 1 rule, batch 2026-11-25"
    )
    assert (
        "Over, 3 missed batches with 84 rows are still stored. Later batches meet the rule." in message.body
    )
    assert "pgslo incidents accept 1 --reason" in message.body
    assert "esolved" not in message.subject + message.body
    assert told.now(over(AGE)) == []
    (end,) = told.now(resolved(AGE, 30, "healed"))
    assert (end.event, end.subject.split(":")[0]) == ("resolved", "resolved")
    assert told.now(resolved(AGE, 30, "healed")) == []


def test_a_page_with_an_incident_that_is_over_is_not_resolved():
    told = Told()
    told.now(AGE, COUNTRY)
    assert told.now(over(AGE), COUNTRY) == []
    assert events(told.now(over(AGE), resolved(COUNTRY, 21))) == [("all", "over")]
    assert told.now(over(AGE), resolved(COUNTRY, 21)) == []


def test_what_joins_a_page_is_said():
    told = Told()
    told.now(AGE)
    (message,) = told.now(AGE, COUNTRY)
    assert message.incidents == (1, 2)
    assert told.now(AGE, COUNTRY) == []


@pytest.mark.parametrize(
    ("criteria", "incidents"),
    [
        ({}, (1, 2)),
        ({"tasks": ("churn",)}, (1,)),
        ({"contacts": ("#spend",)}, (2,)),
        ({"tasks": ("churn",), "contacts": ("#spend",)}, None),
        ({"owners": ("growth",)}, (1, 2)),
        ({"owners": ("somebody",)}, None),
        ({"tables": ("features.*",)}, (1, 2)),
        ({"tables": ("other.*", "features.stats")}, (1, 2)),
        ({"tables": ("features",)}, None),
    ],
)
def test_routes(criteria, incidents):
    found = Told(Route("r", "json://localhost", **criteria)).now(AGE, COUNTRY)
    assert [one.incidents for one in found] == ([incidents] if incidents else [])


def test_each_route_is_told_for_itself():
    told = Told(Route("a", "x", tasks=("churn",)), Route("b", "x", tasks=("spend",)))
    assert events(told.now(AGE)) == [("a", "opened")]
    assert events(told.now(AGE, COUNTRY)) == [("b", "opened")]


def test_repeats_until_somebody_acknowledges():
    told = Told(replace(ALL, repeat=2 * HOUR))
    assert events(told.now(AGE)) == [("all", "opened")]
    assert told.now(AGE, at=NOW + HOUR) == []
    assert events(told.now(AGE, at=NOW + 2 * HOUR)) == [("all", "repeated")]
    assert told.now(AGE, at=NOW + 3 * HOUR) == []
    assert events(told.now(AGE, at=NOW + 9 * HOUR)) == [("all", "repeated")], (
        "not one for each that was missed"
    )
    assert told.now(replace(AGE, acknowledged_at=NOW), at=NOW + 30 * HOUR) == []


def test_muted_incidents_are_told_when_the_mute_ends():
    told = Told(replace(ALL, repeat=HOUR))
    assert told.now(replace(AGE, is_muted=True)) == []
    assert events(told.now(AGE)) == [("all", "opened")]
    assert told.now(replace(AGE, is_muted=True), at=NOW + 5 * HOUR) == []
    both = Told()
    assert both.now(replace(AGE, is_muted=True), COUNTRY)[0].incidents == (2,)
    assert both.now(AGE, COUNTRY)[0].incidents == (1, 2)
    assert both.now(AGE, COUNTRY) == []


def test_what_is_reopened_is_said_again():
    told = Told()
    told.now(AGE)
    told.now(resolved(AGE, 20, "real"))
    again = replace(AGE, opening=30, ending=20)
    assert events(told.now(again)) == [("all", "opened")]
    assert told.now(again) == []
    assert events(told.now(resolved(again, 40))) == [("all", "resolved")]


def test_what_opened_and_ended_while_nobody_watched_is_one_message():
    told = Told()
    (message,) = told.now(resolved(AGE))
    assert message.subject.startswith("missed and resolved meanwhile: features.stats: age")
    assert told.now(resolved(AGE)) == []


def test_what_was_over_before_a_route_came_is_no_news_and_what_is_open_is():
    told = Told(since=NOW)
    assert told.now(resolved(AGE)) == []
    assert events(told.now(AGE)) == [("all", "opened")]


# Configuration


def configured(tmp_path: Path, text: str) -> tuple[Route, ...]:
    path = tmp_path / "pgslo.toml"
    path.write_text(text, encoding="utf-8")
    return read(path).routes


def test_routes_of_a_configuration(tmp_path):
    assert configured(tmp_path, 'dsn = "x"') == ()
    first, second = configured(
        tmp_path,
        """
        [notify]
        repeat = "4 hours"
        [notify.churn]
        to = "env:CHURN_URL"
        task = "churn"
        [notify.night]
        to = "mailto://x"
        table = ["features.*", "raw.*"]
        owner = "growth"
        contact = "#churn"
        repeat = "1 day"
        """,
    )
    assert first == Route("churn", "env:CHURN_URL", tasks=("churn",), repeat=4 * HOUR)
    assert second == Route(
        "night",
        "mailto://x",
        tables=("features.*", "raw.*"),
        owners=("growth",),
        contacts=("#churn",),
        repeat=24 * HOUR,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('notify = "x"', '"notify" has to be a table'),
        ('[notify]\nrepeat = "often"', '"often" is not a span'),
        ('[notify]\nrepeat = "0 hours"', '"0 hours" is not a span'),
        ("[notify]\nx = 3", 'route "x" has to be a table with a plain name'),
        ('[notify."a b"]\nto = "x"', 'route "a b" has to be a table with a plain name'),
        ('[notify.x]\nowner = "x"', 'route "x" says no "to"'),
        ('[notify.x]\nto = "x"\ntasks = "y"', 'key "tasks" does not exist in a route'),
        ('[notify.x]\nto = ["x", "y"]', '"to" of route "x" has to be a text'),
        ('[notify.x]\nto = "x"\ntask = []', '"task" of route "x" has to be a text'),
        ('[notify.x]\nto = "x"\ntask = 3', '"task" of route "x" has to be a text'),
        ('notfy = "x"', 'key "notfy" does not exist'),
    ],
)
def test_configurations_that_are_refused(tmp_path, text, message):
    with pytest.raises(ConfigurationError) as caught:
        configured(tmp_path, text)
    assert caught.value.message.startswith(message)


def test_an_address_may_be_kept_in_the_environment(monkeypatch):
    monkeypatch.setenv("CHURN_URL", "json://localhost")
    assert resolve("env:CHURN_URL") == "json://localhost"
    monkeypatch.delenv("CHURN_URL")
    with pytest.raises(NotifyError, match="CHURN_URL is not set"):
        resolve("env:CHURN_URL")


def test_an_address_that_is_none_is_said():
    with pytest.raises(NotifyError, match="not one that apprise knows"):
        send("nonsense", event="opened", subject="s", body="b", key="k", is_again=False)


def test_the_page_shows_a_message():
    incident = replace(
        AGE,
        definition="features.user_stats",
        batch="2026-11-23",
        newest_missed_batch="Batch 2026-11-23: 3 of 500 rows fail; expected: age between 0 and 120.",
        written_by="postgres with nightly, 2026-11-25 13:16:46 UTC",
        tasks=(("churn", "#churn-oncall"),),
    )
    (message,) = Told(replace(ALL, name="churn")).now(incident)
    page = Path(__file__).parents[2] / "docs" / "how-to" / "get-notified.md"
    shown = f"{message.subject}\n\n{message.body.rstrip()}\n"
    assert f"```\n{shown}" in page.read_text(encoding="utf-8"), shown
