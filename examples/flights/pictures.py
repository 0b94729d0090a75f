"""Draws the pictures of the documentation: the report on the demo's data, in the night on which a source breaks.

It needs a headless browser (Debian: chromium-headless-shell). ``python examples/flights/pictures.py`` writes to docs/images.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import demo
import source
from rich.console import Console
from screen import Screen

HERE = Path(__file__).parent
IMAGES = HERE.parents[1] / "docs" / "images"
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: Width and height in pixels.
SIZE = (1200, 760)


def report(folder: Path) -> Path:
    """Load six weeks of flights and a broken night, and return the page of the report about them."""
    days = dict([*source.daily_csv().items()][: demo.QUICK + demo.HELD_BACK])
    screen = Screen()
    screen.console = Console(file=io.StringIO())
    with demo.embedded.serve(settings=demo.HASTE) as server:
        shown = demo.Demo(screen, demo._fresh_database(server), days)  # noqa: SLF001 - the demo's own script
        try:
            shown.define()
            shown.apply()
            shown.load()
            shown.break_source()
        finally:
            shown.close()
        page = folder / "report.html"
        subprocess.run(
            [sys.executable, "-m", "pgslo", "report", "-o", page],
            cwd=HERE,
            env=os.environ | {"PGSLO_DSN": server.dsn(demo.DATABASE)},
            check=True,
        )
    return page


def main() -> int:
    """Write the pictures."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"no headless browser: one of {', '.join(BROWSERS)}")
        return 1
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        page = report(Path(name))
        for scheme in ("light", "dark"):
            picture = IMAGES / f"report-{scheme}.png"
            subprocess.run(
                [
                    browser,
                    "--no-sandbox",
                    "--disable-gpu",
                    "--hide-scrollbars",
                    f"--user-data-dir={name}/profile",
                    f"--window-size={SIZE[0]},{SIZE[1]}",
                    f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
                    f"--screenshot={picture}",
                    page.as_uri(),
                ],
                check=True,
                capture_output=True,
                timeout=120,
            )
            print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
