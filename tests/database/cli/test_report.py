"""``pgslo report``: one file, no scripts, nothing that others wrote gets out of its place, seen in a real browser."""

from __future__ import annotations

import html.parser
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner

from pgslo.cli import main

BROWSER = next(
    (
        found
        for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
        if (found := shutil.which(name))
    ),
    None,
)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no headless browser (Debian: chromium-headless-shell)"
)
EVIL = "<script>alert(1)</script>"
DEFINITION = f"""
table: features.stats
key: [id]
owner: "growth {EVIL}"
writes: bulk
batch: {{by: day}}
objective: {{target: 0.9, window: 28 days}}
columns:
  age: [range: {{min: 0, max: 120}}]
  country: [accepted_values: {{values: [us, de], description: "{EVIL}"}}]
tasks:
  churn: {{contact: "{EVIL}", reads: [age, country]}}
  spend: {{contact: "#spend", reads: [score]}}
"""


@pytest.fixture
def report(apply, connection, dsn, tmp_path, monkeypatch) -> Path:
    """A report on a table with some history: a bad day that is over, and a column that is bad now."""
    connection.execute("CREATE SCHEMA features")
    connection.execute("CREATE TABLE features.stats (id int, day date, age int, country text, score float8)")
    apply(DEFINITION)
    for day in range(1, 25):
        country = f"'{EVIL}'" if day >= 23 else "'us'"
        age = "CASE WHEN n = 1 THEN 999 WHEN n % 3 > 0 THEN n % 90 END" if day == 12 else "n % 90"
        connection.execute(
            f"""INSERT INTO features.stats
                SELECT n, '2026-11-{day:02}', {age}, {country}, n::float8 / {30 + day} FROM generate_series(1, {200 + day * 7}) n"""
        )
        connection.execute("SELECT pgslo.close_batch('features.stats')")
    connection.execute("SELECT pgslo.acknowledge(max(incident_id), %s) FROM pgslo.incident", (EVIL,))
    connection.execute("UPDATE pgslo_catalog.incident SET opened_at = opened_at - interval '9 days'")
    connection.execute(
        "UPDATE pgslo_catalog.incident SET over_at = over_at - interval '6 days' WHERE over_at IS NOT NULL"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGSLO_DSN", dsn)
    result = CliRunner().invoke(main, ["report"])
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"pgslo-report\.html written: 1 table, \d+ kB\n", result.stderr)
    if keep := os.environ.get("KEEP_REPORT"):
        shutil.copy(tmp_path / "pgslo-report.html", keep)
    return tmp_path / "pgslo-report.html"


class Tags(html.parser.HTMLParser):
    """Tags and attributes of a page, and whether they close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_it_is_one_file_without_scripts_and_without_values(report):
    text = report.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert {tag for tag, _ in tags.seen}.isdisjoint({"script", "link", "img", "iframe", "object"})
    assert not any(
        name.startswith("on") or name in ("src", "href") for _, attrs in tags.seen for name in attrs
    )
    assert not re.search(r"url\(|@import|https?://", text)
    assert EVIL not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "999" not in re.sub(r"<(style|svg).*?</\1>", "", text, flags=re.DOTALL)
    assert "default-src 'none'" in text
    # It would let a table's cells shrink to a letter each.
    assert not re.search(r"overflow-wrap: *anywhere|word-break: *break-all", text)


@pytest.mark.slow
def test_it_tells_what_is_broken_for_whom_and_what_is_left(report):
    text = re.sub(r"\s+", " ", report.read_text(encoding="utf-8"))
    assert "<b>1</b>open incidents" in text or "open incidents" in text
    assert "country_accepted_values, column country" in text
    assert "acknowledged by postgres" in text
    assert text.count('<svg class="chart"') >= 3
    assert text.index('class="incident') < text.index("<section")
    assert "2 missed" in text
    assert text.count('class="time"') == 1
    assert "the table as a whole" in text
    assert "90 % in 28 days" in text
    row = re.search(r'<td class="name">churn</td>.*?</tr>', text)
    assert row
    assert "age, country" in row[0]
    other = re.search(r'<td class="name">spend</td>.*?</tr>', text)
    assert other
    assert "country" not in other[0]


@pytest.mark.slow
def test_a_folder_has_a_page_for_each_table_and_incident(report, dsn):
    folder = report.parent / "site"
    for _ in range(2):
        result = CliRunner().invoke(main, ["report", "--dsn", dsn, "--out", str(folder)])
        assert result.exit_code == 0, result.output
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*")) == [
        "incidents/1.html",
        "incidents/2.html",
        "incidents/3.html",
        "index.html",
        "tables/features.stats.html",
    ]
    assert result.stderr.endswith("index.html written: 5 pages\n")
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert 'href="./tables/features.stats.html"' in index
    assert EVIL not in index
    now = (folder / "incidents" / "2.html").read_text(encoding="utf-8")
    assert "2026-11-23, 2026-11-24" in now
    assert '<svg class="chart"' in now


def test_pages_of_what_is_gone_are_deleted_and_nothing_else(report, dsn):
    folder = report.parent / "pages"

    def write(*tables):
        result = CliRunner().invoke(main, ["report", "--dsn", dsn, "--out", str(folder), *tables])
        assert result.exit_code == 0, result.output
        return result.output

    write()
    page = next((folder / "incidents").glob("*.html"))
    gone, others, elsewhere = (
        folder / name for name in ("incidents/99999.html", "incidents/mine.html", "notes.html")
    )
    gone.write_bytes(page.read_bytes())
    others.write_text("<p>mine</p>", encoding="utf-8")
    elsewhere.write_bytes(page.read_bytes())
    link = folder / "tables/link.html"
    link.symlink_to(page)
    kept = {path: path.read_bytes() for path in (others, elsewhere, page)}
    write("features.stats")
    assert gone.exists()
    assert "1 page of removed tables and incidents deleted" in write()
    assert not gone.exists()
    assert link.is_symlink()
    assert kept.keys() == {path for path in kept if path.exists()}
    assert others.read_bytes() == kept[others]


def test_links_of_a_repository_are_not_followed(report, dsn, tmp_path, monkeypatch):
    del report
    monkeypatch.chdir(tmp_path)
    victim = tmp_path / "victim"
    victim.write_text("mine", encoding="utf-8")
    Path("pgslo-report.html").unlink(missing_ok=True)
    Path("pgslo-report.html").symlink_to(victim)
    result = CliRunner().invoke(main, ["report", "--dsn", dsn])
    assert result.exit_code == 0, result.output
    assert victim.read_text(encoding="utf-8") == "mine"
    assert not Path("pgslo-report.html").is_symlink()


@pytest.mark.parametrize("name", ["tables", "incidents"])
def test_no_page_behind_a_folder_that_is_a_link_is_written_or_deleted(report, dsn, tmp_path, name):
    elsewhere, site = tmp_path / "elsewhere", tmp_path / "site"
    for folder in (elsewhere, site):
        folder.mkdir()
    (elsewhere / "old.html").write_bytes(report.read_bytes())
    (site / name).symlink_to(elsewhere)
    result = CliRunner().invoke(main, ["report", "--dsn", dsn, "--out", str(site)])
    assert result.exit_code == 1, result.output
    assert "a folder of it is a symbolic link" in result.stderr
    assert [one.name for one in elsewhere.iterdir()] == ["old.html"]


def test_nothing_is_defined(connection, dsn):
    del connection
    result = CliRunner().invoke(main, ["report", "--dsn", dsn, "-o", "-"])
    assert result.exit_code == 0
    assert "No table has a definition." in result.stdout


def shot(page: Path, name: str, *, width: int, dark: bool = False, height: int = 1400) -> Path:
    picture = page.parent / f"{name}.png"
    subprocess.run(
        [
            BROWSER,
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={page.parent / 'profile'}",
            f"--window-size={width},{height}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    if keep := os.environ.get("KEEP_REPORT"):
        shutil.copy(picture, Path(keep).parent)
    return picture


def paper(picture: Path) -> tuple[int, ...]:
    """The first pixel of a PNG, which no filter changes."""
    data = picture.read_bytes()
    assert struct.unpack(">I", data[16:20])[0] > 0
    compressed = b""
    place = 8
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        if data[place + 4 : place + 8] == b"IDAT":
            compressed += data[place + 8 : place + 8 + length]
        place += 12 + length
    return tuple(zlib.decompress(compressed)[1:4])


def test_an_incident_of_a_rule_over_rows_shows_the_rows_that_fail(report, connection):
    text = report.read_text(encoding="utf-8")
    assert "country_accepted_values: rows that fail" in text
    assert "24 batches, 0 % to 100 %; 2 missed; now 100 %." in text
    shown = connection.execute(
        "SELECT f.batch, f.rows, f.failed FROM pgslo.incident_failures f JOIN pgslo.incident i USING (incident_id)"
        " WHERE i.rule = 'country_accepted_values' AND f.batch >= '2026-11-22' ORDER BY f.batch"
    ).fetchall()
    assert shown == [("2026-11-22", 354, 0), ("2026-11-23", 361, 361), ("2026-11-24", 368, 368)]


@needs_browser
@pytest.mark.slow
def test_light_and_dark_wide_and_narrow(report):
    assert min(paper(shot(report, "wide-light", width=1280))) > 240
    assert max(paper(shot(report, "wide-dark", width=1280, dark=True))) < 40
    assert min(paper(shot(report, "narrow-light", width=390, height=2600))) > 240
    assert max(paper(shot(report, "narrow-dark", width=390, height=2600, dark=True))) < 40


@needs_browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 900, 1280])
def test_nothing_sticks_out_at_the_side(report, width):
    """The page itself forbids scripts; a copy that allows one measures it."""
    measured = report.parent / "measured.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", report.read_text(encoding="utf-8"))
    script = "<script>document.title = `${document.documentElement.scrollWidth} of ${innerWidth}`</script>"
    measured.write_text(text.replace("</body>", f"{script}</body>"), encoding="utf-8")
    dumped = subprocess.run(
        [
            BROWSER,
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--user-data-dir={report.parent / 'profile'}",
            f"--window-size={width},900",
            "--dump-dom",
            measured.as_uri(),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    ).stdout
    assert f"<title>{width} of {width}</title>" in dumped
