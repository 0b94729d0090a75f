from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from pgslo import embedded
from pgslo.cli import main, root
from pgslo.cli import output as cli_output
from pgslo.cli.session import Session, again

Run = Callable[..., Result]

GOOD = "table: features.user_stats\nkey: [id]\ncolumns:\n  age: [not_null]\n"
BAD = "table: features.user_stats\ncolums: {}\ncolumns:\n  age:\n    - rang: {min: 0}\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PG", "NO_COLOR"))]:
        monkeypatch.delenv(name)
    return lambda *args, **extra: CliRunner().invoke(main, [str(arg) for arg in args], **extra)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_file


def started(*args: str, **extra: object) -> subprocess.CompletedProcess[str]:
    """The command line as a program of its own."""
    return subprocess.run(
        [sys.executable, "-m", "pgslo", *args],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        **extra,
    )


# Starting


def test_help_needs_no_driver_parser_or_model() -> None:
    code = (
        "import sys\nfrom pgslo.cli import main\n"
        "try: main(['--help'], prog_name='pgslo')\nexcept SystemExit: pass\n"
        "slow = {'psycopg', 'sqlglot', 'pydantic', 'jinja2', 'yaml', 'rich', 'pgslo.embedded'}\n"
        "print('loaded:', sorted(slow & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout


def test_help_of_a_verb_is_the_line_that_the_overview_shows(run: Run) -> None:
    overview = run("--help").stdout
    for name, (_, line) in root._VERBS.items():
        assert name in overview
        command = main.get_command(None, name)  # type: ignore[arg-type]
        assert command is not None, name
        assert " ".join((command.help or "").split("\n\n")[0].split()) == line, name
        assert run(name, "--help").exit_code == 0


def commands(group: click.Group, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name."""
    for verb in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), verb)
        assert command is not None
        whole = f"{name} {verb}".strip()
        if isinstance(command, click.Group):
            yield from commands(command, whole)
        else:
            yield whole, command


def test_the_reference_has_every_command_with_every_option_and_no_other() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    everywhere = {"--dsn", "--config", "--runtime-owner", "--verbose", "--version", "--help"}
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert sections.keys() == {"Everywhere", *root._VERBS}
    assert everywhere == set(re.findall(r"`(--[a-z-]+)", sections["Everywhere"].split("###")[0])) - {"--json"}
    documented: dict[str, set[str]] = {}
    for line in re.findall(r"^pgslo .*$", page, re.MULTILINE):
        name = " ".join(re.findall(r"(?<!\S)[a-z]+(?!\S)", line)[1:])
        documented.setdefault(name, set()).update(re.findall(r"(--[a-z-]+)", line))
    del documented[""]
    own = {
        name: {
            option
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--") and option not in everywhere
        }
        for name, command in commands(main)
    }
    assert documented == own


def test_version(run: Run) -> None:
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("pgslo ")


def test_module_runs() -> None:
    assert started("--version").stdout.startswith("pgslo ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there_for_each_shell(shell: str) -> None:
    code = "from pgslo.cli import main; main(prog_name='pgslo')"
    if shell == "bash":
        # click asks bash for its version; without bash there is nothing to complete.
        pytest.importorskip("shutil").which("bash") or pytest.skip("no bash")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"_PGSLO_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pgslo" in done.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["aply"], 'No such command "aply". Did you mean "apply"?'),
        (["apply", "--bogus"], "--bogus"),
        (["postgresql://me:secret@host/db", "plan"], "--dsn"),
        (["explain", "seven"], "seven"),
        (["lint", "--format", "xml"], "xml"),
        (["uninstall"], "--all"),
        (["uninstall", "--all", "features.user_stats", "--yes"], "--all"),
        (["apply"], "which needs a terminal"),
        (["uninstall", "--all"], "which needs a terminal"),
        (["quarantine", "drop", "1"], "which needs a terminal"),
        (["quarantine", "release", "1", "--set", "age"], "COLUMN=VALUE"),
        (["quarantine", "release", "1", "--set", "=3"], "COLUMN=VALUE"),
        (["quarantine", "release", "1", "--set", "age=3", "--set", "age=4"], "twice"),
        (["quarantine", "release"], "ROWS"),
        (["quarantine", "show", "0"], "0"),
    ],
)
def test_wrong_usage_is_exit_code_2(run: Run, args: list[str], said: str) -> None:
    result = run(*args)
    assert result.exit_code == root.USAGE
    assert said in result.stderr
    assert "secret" not in result.output
    assert result.stdout == ""


def test_an_error_of_ours_is_no_traceback_and_asks_for_a_report(
    run: Run, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("slos/a.yml", GOOD)

    def fail(*_args: object, **_kinds: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr("pgslo.cli.project.load_all", fail)
    result = run("lint")
    assert result.exit_code == root.ERROR
    assert result.stderr == (
        "error: internal error: KeyError: 'lost'\n"
        "hint: this is a defect of pgslo; please report it with the output of: pgslo --verbose …\n"
    )
    assert "Traceback" in run("lint", "--verbose").stderr


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://me:s3cret@127.0.0.1:1/db",
        "postgresql://me:s3cret@127.0.0.1:x/db",
        "host=127.0.0.1 port=1 user=me password=s3cret",
        "host=127.0.0.1 password=s3cret bogus=1",
        "password='s3cret",
        "s3cret://x",
        "postgresql://me:s3%63ret@127.0.0.1:1/db?s3cret=1",
    ],
)
@pytest.mark.parametrize("verbose", [(), ("--verbose",)])
def test_a_password_is_never_printed(
    run: Run, write: Callable[..., Path], dsn: str, verbose: tuple[str, ...]
) -> None:
    write("slos/a.yml", GOOD)
    write("pgslo.toml", f"dsn = {json.dumps(dsn)}\n")
    for result in (
        run("--dsn", dsn, "plan", *verbose),
        run("plan", *verbose, env={"PGSLO_DSN": dsn}),
        run("plan", *verbose),
    ):
        assert result.exit_code == root.ERROR
        assert result.stderr.splitlines()[-1].startswith("hint: give --dsn")
        assert "s3cret" not in result.output
        assert "s3%63ret" not in result.output


# Configuration


def test_configuration_is_found_in_a_folder_above(
    run: Run, write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write("pgslo.toml", 'definitions = "promises"\n')
    write("promises/a.yml", BAD)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    result = run("lint")
    assert result.exit_code == root.ERROR
    assert (
        '../../promises/a.yml:2:1: error: key "colums" does not exist\nhint: did you mean "columns"?'
        in result.stderr
    )


def test_configuration_can_be_named(run: Run, write: Callable[..., Path]) -> None:
    write("other/my.toml", 'definitions = "here"\n')
    write("other/here/a.yml", GOOD)
    for args in (("--config", "other/my.toml", "lint"), ("lint", "--config", "other/my.toml")):
        result = run(*args)
        assert result.exit_code == 0
        assert result.stdout == "1 definition with 1 rule: no errors\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '\n  definition = "x"\n',
            'pgslo.toml:2:3: error: key "definition" does not exist\nhint: did you mean "definitions"?',
        ),
        (
            "[tool.pgslo]\n",
            'pgslo.toml:1:2: error: key "tool" does not exist\nhint: one of: definitions, kinds, dsn, holidays, history, notify',
        ),
        ("kinds = 3\n", 'pgslo.toml:1:1: error: "kinds" has to be a text: a folder with kinds of your own'),
        ('dsn = ""\n', 'pgslo.toml:1:1: error: "dsn" has to be a text'),
        ('dsn = ["secret"]\n', 'pgslo.toml:1:1: error: "dsn" has to be a text'),
        (
            '\nholidays = ["12-25", 2026-11-26T08:00:00]\n',
            'pgslo.toml:2:1: error: "2026-11-26 08:00:00" is not a day\nhint: holidays =',
        ),
        ("holidays = 1225\n", 'pgslo.toml:1:1: error: "1225" is not a day'),
        ('definitions = "a\n', "pgslo.toml:1:17: error: not TOML: "),
        ('dsn = "a"\ndsn = "secret"\n', "pgslo.toml:2:15: error: not TOML: cannot overwrite a value"),
        ("a = " + "[" * 5000, "pgslo.toml:1:1: error: not TOML: "),
        ('kinds = "gone"\n', "pgslo.toml:1:1: error: the folder of kinds, gone, does not exist"),
    ],
)
def test_a_wrong_configuration_is_told_with_its_place(
    run: Run, write: Callable[..., Path], text: str, said: str
) -> None:
    write("slos/a.yml", GOOD)
    write("pgslo.toml", text)
    result = run("lint")
    assert result.exit_code == root.ERROR
    assert said in result.stderr
    assert "secret" not in result.output


def test_a_configuration_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    assert "no such file" in run("--config", "gone.toml", "lint").stderr
    assert "is a directory" in run("--config", tmp_path, "lint").stderr
    (tmp_path / "pgslo.toml").write_bytes(b"\xff\xfe")
    result = run("lint")
    assert result.exit_code == root.ERROR
    assert result.stderr == "pgslo.toml:1:1: error: the configuration is not UTF-8\n"


# Files


def test_there_have_to_be_definitions(run: Run, tmp_path: Path) -> None:
    missing = run("lint")
    assert missing.exit_code == root.ERROR
    assert missing.stderr.startswith("error: slos does not exist\nhint: make that folder")
    (tmp_path / "slos").mkdir()
    assert run("lint").stderr.startswith("error: found no definitions in slos\n")
    assert run("lint", "gone.yml").stderr == "error: gone.yml does not exist\n"


def test_files_are_searched_below_folders_and_read_once(run: Run, write: Callable[..., Path]) -> None:
    write("slos/team/a.yaml", GOOD)
    write("slos/.hidden/b.yml", BAD)
    write("slos/readme.md", BAD)
    assert run("lint", "slos", "slos/team/a.yaml").stdout == "1 definition with 1 rule: no errors\n"


def test_a_file_that_is_no_text_is_refused_with_its_place(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(b"table: a.b\nowner: \xff\n")
    result = run("lint", "a.yml")
    assert result.exit_code == root.ERROR
    assert result.stderr == "a.yml:2:8: error: the file is not UTF-8\n"


def test_a_file_without_an_end_is_refused(run: Run) -> None:
    result = run("lint", "/dev/zero")
    assert result.exit_code == root.ERROR
    assert "the file is larger than" in result.stderr


def test_an_own_kind_that_is_wrong_is_told_with_its_place(run: Run, write: Callable[..., Path]) -> None:
    write("pgslo.toml", 'kinds = "kinds"\n')
    write("kinds/even.sql", "-- kind: even\n-- description: Even.\n{{ vale }} % 2 = 0\n")
    write("slos/a.yml", GOOD)
    assert "kinds/even.sql:3:1: error: " in run("lint").stderr
    write("kinds/even.sql", "-- kind: even\n-- description: Even.\n{{ value }} % 2 = 0\n")
    write("slos/a.yml", GOOD.replace("[not_null]", "[even]"))
    assert run("lint").exit_code == 0


# Lint


def test_lint_tells_every_error_of_every_file(run: Run, write: Callable[..., Path]) -> None:
    write("slos/a.yml", BAD)
    write("slos/b.yml", BAD)
    result = run("lint")
    assert result.exit_code == root.ERROR
    assert result.stdout == ""
    assert result.stderr.count(": error: ") == 4
    assert 'slos/a.yml:5:7: error: kind "rang" does not exist\nhint: did you mean "range"?\n' in result.stderr


def test_lint_as_json(run: Run, write: Callable[..., Path]) -> None:
    write("slos/a.yml", BAD)
    result = run("lint", "--format", "json")
    assert result.exit_code == root.ERROR
    document = json.loads(result.stdout)
    assert document["version"] == 1
    assert document["files"] == ["slos/a.yml"]
    assert document["errors"][0] == {
        "path": "slos/a.yml",
        "line": 2,
        "column": 1,
        "message": 'key "colums" does not exist',
        "detail": None,
        "hint": 'did you mean "columns"?',
    }
    write("slos/a.yml", GOOD)
    result = run("lint", "--format", "json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"version": 1, "files": ["slos/a.yml"], "errors": []}


def test_lint_for_github_escapes_what_would_end_a_command(run: Run, write: Callable[..., Path]) -> None:
    write("slos/a,b:c%.yml", BAD)
    result = run("lint", "--format", "github")
    assert result.exit_code == root.ERROR
    assert result.stdout.splitlines()[0] == (
        '::error file=slos/a%2Cb%3Ac%25.yml,line=2,col=1,title=pgslo::key "colums" does not exist'
        '%0Ahint: did you mean "columns"?'
    )


def test_lint_as_sarif(run: Run, write: Callable[..., Path]) -> None:
    write("slos/ä b.yml", BAD)
    result = run("lint", "--format", "sarif")
    assert result.exit_code == root.ERROR
    document = json.loads(result.stdout)
    assert document["version"] == "2.1.0"
    (analysis,) = document["runs"]
    place = analysis["results"][0]["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "slos/%C3%A4%20b.yml"},
        "region": {"startLine": 2, "startColumn": 1},
    }
    assert {one["ruleId"] for one in analysis["results"]} == {analysis["tool"]["driver"]["rules"][0]["id"]}


def test_lint_as_junit(run: Run, write: Callable[..., Path]) -> None:
    write("slos/a.yml", GOOD)
    write('slos/b<&".yml', BAD.replace("colums", "<colums&\u202e>"))
    result = run("lint", "--format", "junit")
    assert result.exit_code == root.ERROR
    suite = ET.fromstring(result.stdout)[0]
    assert suite.attrib["tests"] == "2"
    assert suite.attrib["failures"] == "1"
    good, bad = suite
    assert good.find("failure") is None
    failure = bad.find("failure")
    assert failure is not None
    assert "error" not in failure.attrib
    assert failure.attrib["message"].startswith('slos/b<&".yml:2')


@pytest.mark.parametrize("form", ["json", "github", "sarif", "junit"])
def test_a_wrong_kind_of_ones_own_is_in_every_report(run: Run, write: Callable[..., Path], form: str) -> None:
    write("pgslo.toml", 'kinds = "kinds"\n')
    write("kinds/even.sql", "-- kind: odd\n-- description: Even.\n{{ value }} % 2 = 0\n")
    write("slos/a.yml", GOOD)
    result = run("lint", "--format", form)
    assert result.exit_code == root.ERROR
    assert "kinds/even.sql" in result.stdout


# Output


def test_what_a_terminal_would_obey_is_shown_instead(run: Run, write: Callable[..., Path]) -> None:
    path = write("slos/\x1b[31mred\u202e.yml", BAD)
    result = run("lint", path)
    assert "\x1b" not in result.stderr
    assert "\\x1b[31mred\\u202e.yml:2:1: error:" in result.stderr


def test_an_encoding_without_the_character_is_no_error(write: Callable[..., Path], tmp_path: Path) -> None:
    write("slos/a.yml", GOOD.replace("not_null", "größe€"))
    done = started("lint", cwd=tmp_path, env=os.environ | {"PYTHONIOENCODING": "latin-1"}, encoding="latin-1")
    assert done.returncode == root.ERROR
    assert 'kind "größe\\u20ac" does not exist' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\tb\nc", "a b c"), ("  a \r\n b", "  a b"), ("\x1b]0;x\x07", "\\x1b]0;x\\x07"), ("ä€😀", "ä€😀")],
)
def test_a_cell_is_one_line(text: str, shown: str) -> None:
    assert cli_output.one_line(text) == shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_in_one_line() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pgslo", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == root.ERROR
    assert done.stderr == "error: no space left on device\n"


def test_a_reader_that_has_gone_is_no_error_worth_a_word() -> None:
    read, write_end = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pgslo", "--help"],
            stdout=write_end,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write_end)
    assert done.returncode == root.ERROR
    assert done.stderr == ""


def test_a_closed_stdout_is_no_traceback(write: Callable[..., Path], tmp_path: Path) -> None:
    write("slos/a.yml", GOOD)
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -m pgslo lint >&- <&-'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0


def test_a_server_of_another_folder_is_named_in_what_is_to_be_typed_next(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a folder"
    server = embedded.Server(folder, 5433, "18.6", 1, "secret")
    monkeypatch.setattr(embedded, "start", lambda _directory: server)
    started = run("local", "start", "--directory", folder)
    assert f"until: pgslo local stop --directory '{folder}'\n" in started.stderr
    assert f"$(pgslo local dsn --directory '{folder}')" in started.stderr
    stopped = run("local", "dsn", "--directory", folder)
    assert f"Start it: pgslo local start --directory '{folder}'" in stopped.stderr
    assert "until: pgslo local stop\n" in run("local", "start").stderr


def test_what_is_to_be_typed_next_is_about_the_same_project() -> None:
    named = Session(config=Path("other dir/pgslo.toml"))
    assert named.command("learn", "a.b") == "pgslo learn a.b --config 'other dir/pgslo.toml'"
    assert Session().command("plan", Path("slos/a b.yml")) == "pgslo plan 'slos/a b.yml'"
    with click.Context(main, obj=named):
        assert again("tick") == "pgslo tick --config 'other dir/pgslo.toml'"
    assert again("tick") == "pgslo tick"
