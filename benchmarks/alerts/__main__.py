"""Run alertbench's harness on pgslo: `python -m benchmarks.alerts FOLDER [--variant A|B] [--datasets …] [--seeds …]`.

The folder is an unpacked alertbench, which needs pandas, numpy, scipy, scikit-learn and pyarrow in the Python named with --python;
its data are not ours to ship.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path


def main() -> None:
    """Start the harness with the detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default=sys.executable, help="with what the harness needs")
    parser.add_argument("--variant", choices=["A", "B"], default="A")
    parser.add_argument("--split", default="dev", help="shared, for the tables that tables.py makes")
    parser.add_argument("--alerts", type=Path, help="folder for what is said of each column and batch")
    parser.add_argument("--others", action="store_true", help="the harness's own methods instead of pgslo")
    asked, others = parser.parse_known_args()
    place = Path(__file__).parents[2]
    if asked.others:
        detector = [asked.python, str(place / "benchmarks/alerts/others.py"), "--split", asked.split]
    else:
        detector = [sys.executable, "-m", "benchmarks.alerts.detector", "--variant", asked.variant]
    if asked.alerts is not None:
        asked.alerts.mkdir(parents=True, exist_ok=True)
        detector += ["--alerts", str(asked.alerts.resolve())]
    # The code beside this file, wherever pgslo is installed from.
    modules = shlex.quote(f"{place}:{place / 'src'}")
    command = f"env PYTHONPATH={modules} {shlex.join(detector)}"
    arguments = ["run", "--split", asked.split, "--variant", asked.variant, "--cmd", command, *others]
    raise SystemExit(
        subprocess.run([asked.python, "harness.py", *arguments], cwd=asked.folder, check=False).returncode
    )


if __name__ == "__main__":
    main()
