"""A reader's environment needs psycopg alone; the command line names the missing packages."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Has no module that is not of the standard library, of pgslo or in a list.
HIDE = """
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in sys.stdlib_module_names or top in {allowed} or top.startswith("_sysconfigdata"):
            return None
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
"""
CLIENT = {"pgslo", "psycopg", "psycopg_binary", "psycopg_c", "typing_extensions"}


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


def test_the_client_imports_psycopg_alone():
    done = run(
        HIDE.format(allowed=CLIENT)
        + "import pgslo, pgslo.client, pgslo.client.notebook, pgslo.client.asyncpg_log\nprint(pgslo.client.watch_all())"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Watch of all psycopg connections of this process: ")


@pytest.mark.parametrize("missing", ["click", "sqlglot, yaml"])
def test_the_command_without_its_extra_says_what_to_install(missing: str):
    done = run(
        "import sys, importlib.util as util\n"
        f"found, missing = util.find_spec, {missing.split(', ')!r}\n"
        "util.find_spec = lambda name: None if name in missing else found(name)\n"
        "from pgslo.__main__ import main\nsys.argv[1:] = ['--version']\nmain()"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"pgslo: the command line needs {missing}; run: pip install 'pgslo[cli]'\n"


def test_the_distribution_depends_on_psycopg_alone():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert [one.split(">")[0] for one in project["dependencies"]] == ["psycopg[binary]"]
    for extra in ("embedded", "notify"):
        assert "pgslo[cli]" in project["optional-dependencies"][extra]
