"""What leaves for people, in the very request that apprise makes for each kind of receiver."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import html
import json
import re
from typing import Any
from unittest import mock

import pytest
import requests

from pgslo import notify
from pgslo.errors import NotifyError

#: A batch key, a rule's text, a writer and a contact that want to be more than text.
EVIL = (
    "<x <!channel> <!here|here> <@U1> @everyone @here <http://evil.example|click> [click](http://evil.example) <users/all> https://evil.example www.evil.example mailto:x "
    "`code` ```\nblock\n``` *bold* __b__ ||hidden|| <b>b</b> &lt;!channel&gt; \r\nBcc: a@b.example\x1b[31m\u202eabc\u200b\u2066\x9b\u2028x"
)
INCIDENT = notify.Incident(
    page=1,
    incident_id=1,
    definition="features.stats",
    batch=EVIL,
    rule="soft",
    columns=("a", EVIL),
    summary=f"b * 2 < 100 {EVIL}",
    owner=EVIL,
    opened_at=dt.datetime(2026, 11, 25, tzinfo=dt.UTC),
    opening=3,
    newest_missed_batch=EVIL,
    written_by=EVIL,
    tasks=((EVIL, EVIL),),
)
TARGETS = {
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    "slack blocks": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ?blocks=yes",
    "discord": "discord://" + "1" * 18 + "/" + "A" * 64,
    "discord markdown": "discord://" + "1" * 18 + "/" + "A" * 64 + "?format=markdown",
    "google chat": "gchat://workspace/key/token",
    "telegram": "tgram://123456789:abcdefg_hijklmnop/12345/",
    "telegram markdown": "tgram://123456789:abcdefg_hijklmnop/12345/?format=markdown",
    "teams": "workflow://127.0.0.1:443/workflow/signature/",
    "mattermost": "mmost://127.0.0.1/" + "a" * 24,
    "webex": "wxteams://" + "a" * 80,
    "zulip": "zulip://bot@org/" + "a" * 32 + "/stream",
    "ntfy": "ntfy://topic",
    "pagerduty": "pagerduty://" + "a" * 32 + "@" + "b" * 20,
    "gotify": "gotify://127.0.0.1/" + "a" * 15,
    "json": "json://127.0.0.1",
    "xml": "xml://127.0.0.1",
}


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, str]]:
    """The address and the body of each HTTP request, which goes nowhere."""
    found: list[tuple[str, str]] = []

    def request(_self: object, method: str, url: str, **given: Any) -> Any:
        del method  # apprise gives it by its name
        data = given.get("data") or given.get("json") or given.get("params") or ""
        text = (
            data.decode() if isinstance(data, bytes) else data if isinstance(data, str) else json.dumps(data)
        )
        found.append((url, text))
        answer = mock.Mock(status_code=200, content=b"ok", text="ok", headers={})
        answer.json.return_value = {"ok": True}
        return answer

    monkeypatch.setattr(requests.Session, "request", request)
    monkeypatch.setattr("apprise.plugins.base.NotifyBase.throttle", lambda *_, **__: None)
    return found


def decided(*incidents: notify.Incident) -> notify.Message:
    """The message that opened incidents make on a route named ``all``."""
    now = INCIDENT.opened_at
    (message,) = notify.decide(incidents, [notify.Route("all", "x")], [], since={"all": now}, now=now)
    return message


def tell(target: str, incident: notify.Incident = INCIDENT) -> None:
    message = decided(incident)
    notify.send(
        target,
        event=message.event,
        subject=message.subject,
        body=message.body,
        key=message.key,
        is_again=False,
    )


def texts(document: Any) -> str:
    """Every text of a JSON document, decoded."""
    if isinstance(document, dict):
        return "\n".join(map(texts, document.values()))
    if isinstance(document, list):
        return "\n".join(map(texts, document))
    return str(document)


@pytest.mark.parametrize("target", TARGETS)
def test_no_text_is_markup(sent, target):
    tell(TARGETS[target])
    assert sent, "something was sent"
    for _, text in sent:
        seen = texts(json.loads(text)) if text.startswith("{") else text
        # As a receiver sees it that decodes entities, and as one that does not.
        for shown in (seen, html.unescape(seen)):
            assert not re.search(
                r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", shown
            )
            assert not re.search(r"<[!@#]|<http|<users", shown)
            assert not re.search(r"@(everyone|here|channel)", shown)
            assert not re.search(r"\]\(", shown)
            assert not re.search(r"://evil|www\.evil|mailto:x", shown)
            assert "`" not in shown
            assert "||" not in shown
        assert "<b>b" not in seen
        assert "*bold*" not in seen.replace("\\*", "")
    assert any("soft" in text for _, text in sent), "what has to be said is said"


def test_telegram_gets_entities(sent):
    """It refuses a message whose HTML it cannot parse, so that "<" would silence the route."""
    tell(TARGETS["telegram"], notify.Incident(**{**vars(INCIDENT), "batch": "<x", "summary": "b * 2 < 100"}))
    document = json.loads(sent[-1][1])
    assert document["parse_mode"] == "HTML"
    assert "b * 2 &lt; 100" in document["text"]
    tags = re.findall(r"<[^>]*>?", document["text"])
    assert set(tags) <= {"<b>", "</b>"}, "only those of the title that apprise makes"


def test_every_text_is_one_line():
    message = decided(INCIDENT)
    assert "\n" not in message.subject
    ours = ("Incident 1: rule soft expects ", "<x ", "Written by ", "Read by ", "Owner: ", "")
    assert all(line.startswith(ours) for line in message.body.split("\n"))
    assert len(message.body.split("\n")) == 6
    assert not any(line.startswith("Bcc") for line in message.body.split("\n"))


def test_texts_are_cut():
    """A receiver refuses a long message, and a writer could silence a route by a long key."""
    long = "x" * 5_000_000
    many = [
        notify.Incident(
            **{**vars(INCIDENT), "incident_id": n, "batch": long, "summary": long, "written_by": long}
        )
        for n in range(1, 501)
    ]
    message = decided(*many)
    assert len(message.subject) <= 250
    assert len(message.body) < 30_000
    assert "And 480 more incidents." in message.body
    assert len(message.incidents) == 500


@pytest.mark.parametrize(
    ("target", "longest"), [("discord", 2000), ("telegram", 4096), ("google chat", 4000)]
)
def test_a_message_too_long_for_its_receiver_is_split(sent, target, longest):
    many = [
        notify.Incident(**{**vars(INCIDENT), "incident_id": n, "summary": "summary " * 40})
        for n in range(1, 30)
    ]
    message = decided(*many)
    notify.send(
        TARGETS[target],
        event="opened",
        subject=message.subject,
        body=message.body,
        key=message.key,
        is_again=False,
    )
    assert len(sent) > 1
    parts = [json.loads(text) for _, text in sent]
    assert all(len(part.get("content") or part.get("text")) <= longest for part in parts)
    assert "Message all/1/opened/" in texts(parts)


def test_mail_is_text_without_headers_of_others(monkeypatch):
    mails: list[str] = []

    class Server:
        def __init__(self, *_: object, **__: object) -> None: ...

        def __getattr__(self, name: str) -> Any:
            return lambda *given, **_: mails.append(given[2]) if name == "sendmail" else None

    monkeypatch.setattr("smtplib.SMTP", Server)
    tell("mailto://127.0.0.1:25?from=pgslo@example.com&to=oncall@example.com&mode=insecure")
    (mail,) = (email.message_from_string(str(one), policy=email.policy.default) for one in mails)
    assert mail["Bcc"] is None
    assert mail["To"].addresses[0].addr_spec == "oncall@example.com"
    assert "\x1b" not in mail["Subject"] + str(mail)
    for part in mail.walk():
        if part.get_content_type() == "text/html":
            assert not re.search(
                r"<(?!/?(html|head|body|br|p|title|b|div|span|meta|!doctype)\b)",
                part.get_content(),
                re.IGNORECASE,
            )
            assert 'evil.example"' not in part.get_content()


def test_a_receiver_that_refuses_is_an_error(monkeypatch):
    answer = mock.Mock(status_code=400, content=b"no", text="no", headers={})
    monkeypatch.setattr(requests.Session, "request", lambda *_, **__: answer)
    with pytest.raises(NotifyError):
        tell(TARGETS["json"])
