"""``pgslo render``: a plan as files for review, to be run by whatever runs migrations."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import click

from pgslo import naming
from pgslo.cli import output, project, show
from pgslo.cli.applying import revision
from pgslo.cli.exit_codes import CHANGES, OK
from pgslo.cli.files import put, refuse_links
from pgslo.cli.session import Session, pass_session, session_options
from pgslo.database import Connection, installation, planning, runtime
from pgslo.display import one_line
from pgslo.errors import PgsloError, PlanError
from pgslo.plan import Plan, Step

_HEAD = "-- pgslo reviewed plan, format 1\n"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path), help="The folder for the files."
)
@click.option(
    "--name", default="pgslo", show_default=True, help="Name of the change, part of the files' names."
)
@click.option(
    "--layout",
    type=click.Choice(["plain", "flyway", "sqitch", "alembic"]),
    default="plain",
    show_default=True,
    help="How the files are called, and where they are.",
)
@click.option(
    "--number", help="The change's version for Flyway (1), its revision for Alembic (from the plan's state)."
)
@click.option("--after", metavar="REVISION", help="Alembic's revision that this one follows.")
@session_options
@pass_session
def render(
    session: Session,
    paths: tuple[Path, ...],
    *,
    folder: Path,
    name: str,
    layout: str,
    number: str | None,
    after: str | None,
) -> int:
    """Write the plan as SQL files, for review or for another tool.

    One file applies the plan, another reverts it. pgslo apply --plan-file runs exactly the first; so can psql,
    Flyway, Sqitch and Alembic. Changes nothing in the database. Ends with exit code 3 if there is something to
    write.
    """
    for option, text in (("--name", name), ("--number", number), ("--after", after)):
        if text is not None and not _NAME.match(text):
            raise click.UsageError(f"{option} may hold letters, digits, _, . and - only")
    found = project.load(session.configuration, paths)
    with session.connect() as conn:
        plan = planning.plan_definitions(conn, found.definitions)
        if plan.empty:
            output.say("nothing to do: the database matches the definitions")
            return OK
        match layout:
            case "alembic":
                number = number or plan.state[:12]
                text = as_revision(conn, plan, found.paths, number=number, after=after)
                files = {f"{number}_{name}.py": text}
            case _:
                files = _as_scripts(
                    layout,
                    name,
                    number or "1",
                    forward=reviewed(conn, plan, found.paths),
                    backward=revert(plan, found.paths),
                    verification=_verify(plan),
                )
    _write(folder, files)
    if layout == "sqitch":
        output.message(f"to put it into the plan: sqitch add {name} -n 'pgslo {plan.state}'")
    return CHANGES


def _as_scripts(
    layout: str, name: str, number: str, *, forward: str, backward: str, verification: str
) -> dict[str, str]:
    # The scripts have transactions of their own.
    # ${…} in a name or a description is text.
    settings = "executeInTransaction=false\nplaceholderReplacement=false\n"
    return {
        "plain": {f"{name}.up.sql": forward, f"{name}.down.sql": backward},
        "flyway": {
            f"V{number}__{name}.sql": forward,
            f"V{number}__{name}.sql.conf": settings,
            f"U{number}__{name}.sql": backward,
            f"U{number}__{name}.sql.conf": settings,
        },
        "sqitch": {
            f"deploy/{name}.sql": forward,
            f"revert/{name}.sql": backward,
            f"verify/{name}.sql": verification,
        },
    }[layout]


def _write(folder: Path, files: dict[str, str]) -> None:
    for name in files:
        refuse_links(folder / name, folder)
        if (folder / name).exists():
            raise PgsloError(
                f"{output.shown_path(folder / name)} exists already",
                hint="a file that was reviewed is not written over: give another --name, or remove it",
            )
    for name, text in files.items():
        put(folder / name, text, below=folder)
        output.say(str(output.shown_path(folder / name)))


def reviewed(conn: Connection, plan: Plan, sources: Sequence[str]) -> str:
    """The script of a plan under a head with its origin and its locks."""
    scripts = runtime.to_run(conn)
    body = show.as_sql(plan, runtime.statements(scripts) if scripts else ())
    return "".join(
        (
            _HEAD,
            *_comments("source", sources),
            *_comments("state", [plan.state]),
            *_comments("sha256", [_digest(body)]),
            *_comments("lock", _locks(plan)),
            *_comments("lock_timeout", [f"{installation.LOCK_TIMEOUT} ms, set in every transaction"]),
            "\n",
            body,
        )
    )


def _locks(plan: Plan) -> list[str]:
    locks = dict.fromkeys(
        f"{statement.lock} on {one_line(statement.on)}"
        for step in plan.steps
        for statement in step.statements
        if statement.lock
    )
    return list(locks) or ["none"]


def as_revision(
    conn: Connection, plan: Plan, sources: Sequence[str], *, number: str, after: str | None
) -> str:
    """A plan as a revision of Alembic."""
    scripts = runtime.to_run(conn)
    # The transaction is Alembic's: later statements in it keep their own settings.
    keep, ends = (
        show.keep_path(is_local=True),
        f"SET LOCAL lock_timeout TO DEFAULT;\n{show.restore_path(is_local=True)}",
    )
    together = show.script_together(plan, runtime.statements(scripts) if scripts else ())
    alone = show.scripts_alone(plan)
    remembering = show.script_remembering(plan)
    if not alone:
        together, remembering = "\n".join((together, *remembering)), ()
    remembering = tuple(map(show.in_transaction, remembering))
    return revision.revision(
        revision.Scripts(
            together=f"{keep}{together}\n{ends}",
            alone=(*alone, *remembering),
            revert="".join((*_not_taken_back(plan), "\n", keep, _taking_back(plan), ends)),
        ),
        [
            *(f"source: {source}" for source in sources),
            *(f"lock: {lock}" for lock in _locks(plan)),
            f"lock_timeout: {installation.LOCK_TIMEOUT} ms, set in every transaction",
        ],
        state=plan.state,
        number=number,
        after=after,
    )


def _comments(word: str, texts: Sequence[str]) -> list[str]:
    return [f"-- {word}: {one_line(text)}\n" for text in texts]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_reviewed(path: Path) -> tuple[str, str]:
    """State and script of a reviewed plan.

    Raises:
        PlanError: The file is not a plan, or was edited after it was rendered.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise PgsloError(f"cannot read {output.shown_path(path)}: {exc}") from exc
    head, _, body = text.partition("\n\n")
    facts = dict(re.findall(r"^-- (state|sha256): (.*)$", head, flags=re.MULTILINE))
    if not text.startswith(_HEAD) or facts.keys() != {"state", "sha256"}:
        raise PlanError(f"{output.shown_path(path)} is not a plan that pgslo render wrote")
    if _digest(body) != facts["sha256"]:
        raise PlanError(
            f"{output.shown_path(path)} was edited after it was rendered",
            hint="run it with psql if that is meant, or render it again",
        )
    return facts["state"], body


def revert(plan: Plan, sources: Sequence[str]) -> str:
    """The script that takes a plan back, as far as it can be: no row of a user's table is touched."""
    return "".join(
        (
            f"-- Takes back pgslo plan {plan.state}. Tables and their rows stay as they are.\n",
            *_comments("source", sources),
            *_not_taken_back(plan),
            "\nBEGIN;\n",
            _taking_back(plan),
            "COMMIT;\n",
        )
    )


def _not_taken_back(plan: Plan) -> list[str]:
    lost = [show.name(step) for step in plan.steps if not step.undo]
    stays = ["-- the runtime stays: pgslo uninstall --all takes it out\n"] if plan.runtime_scripts else []
    return [*_comments("not taken back, apply the older definition for it", lost), *stays]


def _taking_back(plan: Plan) -> str:
    head = f"{show.settings()}SELECT pg_catalog.pg_advisory_xact_lock({naming.INSTALL_LOCK});\n"
    undone = [step for step in reversed(plan.steps) if step.undo]
    early = "".join(f"{one.script};\n" for step in undone for one in step.undo if one.early)
    return head + early + "".join(_undo(step) for step in undone)


def _undo(step: Step) -> str:
    return f"\n-- undo: {show.name(step)}\n" + "".join(
        f"{one.script};\n" for one in step.undo if not one.early
    )


def _verify(plan: Plan) -> str:
    names = sorted(
        {step.definition for step in plan.steps if step.kind == "registration" and step.action != "drop"}
    )
    return "".join(show.verification(name) for name in names) or "SELECT 1;\n"
