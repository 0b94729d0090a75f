"""Pages of the report on a wide table with long names: their structure, their addresses, and what a browser makes of them."""

from __future__ import annotations

import datetime as dt
import html.parser
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgslo.report import Facts, pages, render
from pgslo.report.places import incident_file, slug, table_file

BROWSER = next(
    (
        found
        for name in ("chromium-headless-shell", "chromium", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
NOW = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
LONG = "feature_" + "x" * 52
TABLE = f"{LONG[:30]}.{'Y' * 60}"
BAD = f"{LONG[:-3]}007"


def facts(columns: int = 400, batches: int = 12) -> Facts:
    """A table with columns whose names have 60 letters; one misses a rule, and one batch was healed."""
    names = [f"{LONG[:-3]}{n:03}" for n in range(columns)]
    incident = {
        "incident_id": 7, "page": 7, "definition": TABLE, "rule": f"{BAD}_range", "kind": "range", "scope": "row",
        "columns": [BAD], "promise": f"{BAD} from 0 to 120", "on_breach": "warn", "owner": "o", "opened_at": NOW - dt.timedelta(2),
        "opened_batch": "2026-11-10", "state": "open", "tier": "missed", "over_at": None, "over_batch": None, "resolved_at": None,
        "resolution": None, "resolved_by": None, "missed_batches": 1, "missed_rows": 3, "stored": "1 missed batch is stored",
        "missed": ["2026-11-10"], "acknowledged_at": None, "acknowledged_by": None, "muted_until": None, "note": None,
        "facts": {"newest missed batch": "Batch 2026-11-10: 3 rows failed.", "profile before": "batch 2026-11-09: 100 rows"},
    }  # fmt: skip
    healed = incident | {
        "incident_id": 6, "opened_batch": "2026-11-05", "state": "resolved", "missed": None, "over_at": NOW,
        "resolved_at": NOW, "resolution": "fixed", "facts": {},
    }  # fmt: skip
    history = [
        {
            "definition": TABLE, "column_name": name, "batch": f"2026-11-{day:02}", "rows": 100,
            "present": 100 - day % 3, "score": day / 20, "is_missed": False,
        }
        for name in ("*", *names)
        for day in range(1, batches + 1)
    ]  # fmt: skip
    return Facts(
        database="shop",
        now=NOW,
        status=[
            {
                "definition": TABLE, "owner": LONG, "rules": columns, "last_recorded_at": NOW, "quarantined_rows": 0,
                "schema_difference": None, "broken_rules": 0,
            }
        ],
        incidents=[incident, healed],
        budgets=[
            {
                "definition": TABLE, "rule": f"{BAD}_range", "state": "met", "budgeting": "batches", "burn_rate_lately": 1.0,
                "target": 0.9, "window_seconds": 86400 * 28, "missed": 1, "judged": 12, "left_fraction": 0.5,
            }
        ],
        readers=[{"definition": TABLE, "kind": "task", "name": LONG, "contact": LONG, "columns": [BAD]}],
        rule_summaries=[
            {"definition": TABLE, "rule": f"{name}_range", "kind": "range", "columns": [name], "summary": f"{name} from 0"}
            for name in names
        ],
        column_history=history,
        verdicts=[
            {
                "definition": TABLE, "rule": f"{BAD}_drift", "kind": "drift", "columns": [BAD], "batch": f"2026-11-{day:02}",
                "value": day / 9, "low": None, "high": 1.0, "verdict": "met", "tier": None,
            }
            for day in range(batches, 0, -1)
        ],
        quantiles=[
            {
                "incident_id": 7, "column_name": BAD, "batch_before": "2026-11-09", "quantiles_before": [float(n) for n in range(39)],
                "batch": "2026-11-10", "quantiles": [n / 100 for n in range(39)],
            }
        ],
        failures=[
            {"incident_id": 7, "batch": f"2026-11-{day:02}", "rows": 100, "failed": day % 3, "failed_at_most": None}
            for day in range(1, batches + 1)
        ],
    )  # fmt: skip


class Structure(html.parser.HTMLParser):
    """Elements in order, the open ones, and the ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.labelled: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.ids += [given["id"]] if given.get("id") else []
        self.links += [given["href"]] if given.get("href") else []
        self.labelled += (given.get("aria-labelledby") or "").split()
        assert not any(name.startswith("on") or name == "src" for name in given)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        del attrs
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_its_drawings_have_names():
    page = Structure(render(facts(20)))
    assert len(page.ids) == len(set(page.ids))
    assert page.labelled
    assert set(page.labelled) <= set(page.ids)
    assert page.links == []
    assert not {"script", "link", "img", "iframe"} & set(page.tags)


def test_what_is_wrong_comes_first_and_what_is_well_is_folded():
    text = render(facts(20))
    incident = text.index('id="incident-7"')
    assert incident < text.index("<section")
    assert 'id="incident-6"' not in text
    part = text[incident : text.index("</article>", incident)]
    assert '<svg class="chart"' in part
    assert "2026-11-10" in part
    assert f"Read by {LONG}" in part
    assert len(re.findall(r"<details open><summary><b>", text)) == 1
    assert len(re.findall(r"<details><summary><b>", text)) == 19
    first = text.index("<details")
    assert text.startswith(f"<details open><summary><b>{BAD}</b>", first)


def test_missed_and_healed_batches_are_marked():
    text = render(facts(20))
    bad = text[text.index("<details open>") :]
    bad = bad[: bad.index("</section>")].split("<h3>")[0]
    assert '<polygon class="missed"' in bad
    assert '<circle class="healed"' in bad
    assert "1 missed; 1 healed" in bad
    assert f"<b>{BAD}_drift</b><br>12 batches, 0.1111 to 1.333; now 1.333, at most 1." in bad


def test_an_incident_shows_its_values_before_and_then():
    files = pages(facts(5))
    for text in (files["incidents/7.html"], render(facts(5))):
        part = text[text.index('id="incident-7"') :]
        part = part[: part.index("</article>")]
        assert f"<b>{BAD}: values before and then</b><br>Grey, batch 2026-11-09: median 19, " in part
        assert part.count('<rect class="before"') == 20
        assert part.count('<rect class="then"') == 1
    assert "values before and then" not in files["incidents/6.html"]


def test_every_link_of_the_folder_leads_to_a_page():
    files = pages(facts(5))
    assert list(files)[-1] == "index.html"
    assert set(files) == {"index.html", table_file(TABLE), "incidents/7.html", "incidents/6.html"}
    for name, text in files.items():
        page = Structure(text)
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            folder = Path("/x") / name
            target = Path(*(folder.parent / link).parts)
            resolved = str(target.resolve().relative_to("/x")).replace("\\", "/")
            assert resolved in files, (name, link)
    assert "resolved 2026-11-30 00:00 UTC, fixed" in files["incidents/6.html"]
    assert "Before: batch 2026-11-09: 100 rows" in files["incidents/7.html"]


@given(st.text(max_size=140), st.text(max_size=140))
def test_addresses_are_short_plain_and_distinct(one, other):
    try:
        names = [one.encode().decode(), other.encode().decode()]
    except UnicodeEncodeError:
        return
    slugs = [slug(name) for name in names]
    assert all(re.fullmatch(r"[a-z0-9_.~-]*", text) and len(text) < 200 for text in slugs)
    assert (slugs[0] == slugs[1]) == (names[0] == names[1])
    assert "/" not in incident_file(7).removeprefix("incidents/")


@pytest.mark.skipif(BROWSER is None, reason="no headless browser (Debian: chromium-headless-shell)")
@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 900, 1280])
def test_nothing_sticks_out_in_a_browser(tmp_path, width, scheme):
    """The page itself forbids scripts; a copy that allows one measures it, with everything unfolded."""
    assert BROWSER
    for name, page in {"whole.html": render(facts()), **pages(facts(3))}.items():
        text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", page)
        script = (
            "<script>document.querySelectorAll('details').forEach(d => { d.open = true });"
            "const wide = [...document.querySelectorAll('body *')].filter(e => !e.closest('svg, .scroll > *')"
            " && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + '.' + e.className);"
            "document.title = `${document.documentElement.scrollWidth} ${wide.slice(0, 5)} "
            "${getComputedStyle(document.body).backgroundColor}`</script>"
        )
        measured = tmp_path / Path(name).name
        measured.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
        dumped = subprocess.run(
            [
                BROWSER, "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}",
                f"--window-size={width},900", f"--blink-settings=preferredColorScheme={int(scheme == 'light')}",
                "--dump-dom", measured.as_uri(),
            ],
            check=True, capture_output=True, text=True, timeout=120,
        ).stdout  # fmt: skip
        paper = "rgb(255, 255, 255)" if scheme == "light" else "rgb(17, 20, 24)"
        title = re.search("<title>(.*?)</title>", dumped)
        assert title
        assert title[1] == f"{width}  {paper}", name
