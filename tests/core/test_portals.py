"""No cursor of pgslo's is open while code of another role may run: such code could read its rows and move it.

A loop over a query in PL/pgSQL is a cursor, which every function in the session can FETCH from by name. PostgreSQL checks
no right for that, and a rollback does not move the cursor back.
"""

from __future__ import annotations

import re

from pgslo import assets

#: EXECUTE in these functions runs no code of other roles, for the reason given.
_HARMLESS = {
    "admit_owner": "GRANT",
    "give_function": "GRANT and ALTER OWNER",
    "keep_snapshots": "CREATE FUNCTION",
    "leave_room": "DROP TABLE",
    "make_table": "CREATE TABLE, GRANT",
    "mend_rights": "GRANT, REVOKE",
    "part_places": "a constant of a type of PostgreSQL's own, without a table",
    "pin_others": "LOCK TABLE",
    "pin_table": "LOCK TABLE",
    "restore_session": "DEALLOCATE, and functions on advisory locks",
    "plan_reads_anew": "GRANT",
    "resume": "CREATE FUNCTION",
    "silence": "CREATE FUNCTION",
}
#: Loops that run such a command alone.
_HARMLESS_LOOPS = {
    ("seal_snapshot", "EXECUTE"): "GRANT",
    (
        "drain_outbox",
        "take_note",
    ): "rows of PostgreSQL's own types alone become rows of the quarantine: take_diverted()",
}
#: Templates with a loop that runs code of the owner of the table that it reads, with that role's rights, and no other; the second
#: evaluates the batch expression alone, which calls PostgreSQL's own functions.
_OF_OWNERS = {"judge_rows.sql.j2", "raising_begin.sql.j2"}
#: Explicit cursors, and what keeps code of other roles from them.
_CURSORS = {
    "was_reported": "it holds digests of the warnings that the session has seen, which tell its owner nothing new",
    "open_counted.sql.j2": "sums of columns of PostgreSQL's own types are computed while it is open, and nothing else",
}

_LOOP = re.compile(r"\bFOR\s+\w+(?:\s*,\s*\w+)*\s+IN\b(?!(?:(?!\bLOOP\b)[^;])*?\.\.)")


def _code(text: str) -> str:
    """The text without comments and strings: a HINT that names a function does not call it."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--[^\n]*", "", text))


def _functions() -> dict[str, list[str]]:
    """The bodies of the functions of the runtime, by name."""
    found: dict[str, list[str]] = {}
    for path in sorted((assets.tree("sql") / "runtime").glob("*.sql")):
        for name, body in re.findall(
            r"CREATE OR REPLACE FUNCTION \w+\.(\w+)\s*\(.*?\$pgslo\$(.*?)\$pgslo\$",
            path.read_text(),
            re.DOTALL,
        ):
            found.setdefault(name, []).append(_code(body))
    return found


def _called(body: str) -> set[str]:
    return set(re.findall(r"\b(?:pgslo|pgslo_catalog)\.(\w+)\s*\(", body))


def _loops(body: str) -> list[str]:
    """The bodies of loops over a query."""
    found = []
    for match in _LOOP.finditer(body):
        depth, began = 0, 0
        for word in re.finditer(r"\bEND\s+LOOP\b|\bLOOP\b", body[match.end() :]):
            if word[0] != "LOOP":
                depth -= 1
                if depth == 0:
                    found.append(body[match.end() + began : match.end() + word.start()])
                    break
            else:
                began = began or word.end()
                depth += 1
    return found


def _reaching(functions: dict[str, list[str]]) -> set[str]:
    """Functions that may run a generated function, or another statement on a table of a user."""
    reaching = {
        name
        for name, bodies in functions.items()
        if name not in _HARMLESS and any(re.search(r"\bEXECUTE\b", body) for body in bodies)
    }
    while True:
        more = {
            name
            for name, bodies in functions.items()
            if name not in reaching and any(_called(body) & reaching for body in bodies)
        }
        if not more:
            return reaching
        reaching |= more


def test_no_loop_over_a_query_of_the_runtime_runs_code_of_others() -> None:
    functions = _functions()
    reaching = _reaching(functions)
    wrong = []
    for name, bodies in functions.items():
        for loop in (loop for body in bodies for loop in _loops(body)):
            executes = {"EXECUTE"} if re.search(r"\bEXECUTE\b", loop) and name not in _HARMLESS else set()
            wrong += [(name, one) for one in sorted(_called(loop) & reaching | executes)]
    assert [one for one in wrong if one not in _HARMLESS_LOOPS] == []
    # It finds what it looks for.
    assert {"look_after", "judge_rows", "release", "measured", "follow_loads"} <= reaching
    assert len([loop for bodies in functions.values() for body in bodies for loop in _loops(body)]) > 20


def test_no_loop_over_a_query_of_a_template_evaluates_a_condition() -> None:
    reaching = _reaching(_functions())
    found = set()
    for path in sorted((assets.tree("sql") / "templates").glob("**/*.j2")):
        text = _code(path.read_text())
        for loop in _loops(text):
            found.add(path.name)
            if path.name in _OF_OWNERS:
                continue
            # Nothing generated.
            assert re.findall(r"{{ ([\w.]+) }}", loop) == [], path.name
            assert _called(loop) & reaching == set(), path.name
    assert found == {"extension_state.sql.j2", *_OF_OWNERS}


def test_explicit_cursors_are_few() -> None:
    found = {
        name for name, bodies in _functions().items() for body in bodies if re.search(r"\bOPEN\s+\w+", body)
    }
    for path in sorted((assets.tree("sql") / "templates").glob("**/*.j2")):
        if re.search(r"\bOPEN\s+\w+", _code(path.read_text())):
            found.add(path.name)
    assert found == set(_CURSORS)
