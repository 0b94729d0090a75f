"""A function that judges rows of a batch again which could not be judged when they were written."""

from __future__ import annotations

from dataclasses import dataclass

from pgslo import naming, sql
from pgslo.compile import conditions, session_settings
from pgslo.compile.artifact import Artifact
from pgslo.compile.batch_functions import rows_of_batch
from pgslo.compile.conditions import ROW
from pgslo.compile.mechanisms import Choice
from pgslo.compile.writes import Described, Undoing, WriteCompiler
from pgslo.definition import rules
from pgslo.sql import Sql

#: Those that refuse a row fail its write instead of leaving it unjudged, but for rows of a subscription.
_ON_BREACH = ("warn", "flag")
_BATCH_AND_RULE = Sql("text, text")
_VARIABLES = (Sql("DECLARE"), Sql("    r record;"), Sql("    passes boolean;"))


@dataclass(frozen=True)
class _Judge:
    source: Sql
    function: Sql
    judges: tuple[Sql, ...]
    declared: tuple[Sql, ...]
    rules: tuple[Described, ...]
    rule_names: Sql
    rows: Sql
    undoing: tuple[Undoing, ...]


def judge(compiler: WriteCompiler, choices: tuple[Choice, ...]) -> tuple[Artifact, ...]:
    """Return the function that counts failing rows of one batch for one rule, and before it the one that it calls for each.

    Args:
        compiler: Of the definition.
        choices: Its rules, with how each is enforced.

    Returns:
        None of both where no trigger judges rows without refusing them, or no row says which batch it belongs to.
    """
    batch = compiler.definition.batch
    judged = tuple(
        choice.rule
        for choice in choices
        if choice.mechanism in ("row trigger", "statement trigger")
        and choice.rule.on_breach
        in (*_ON_BREACH, *(("reject",) if compiler.definition.fires == "always" else ()))
        and not _is_out_of_reach(choice.rule, compiler)
    )
    if batch is None or batch.by is None or not judged:
        return ()
    name = compiler.function_name("judge")
    # The owner of a table has no USAGE on the schema of generated functions.
    is_of_another = compiler.subject.is_of_another
    row = compiler.function_name("judge_row")
    described = compiler.described(judged, ROW, by_owner=True)
    context = _Judge(
        source=compiler.source(judged),
        function=sql.identifier(naming.GENERATED_SCHEMA, name),
        judges=() if is_of_another else (sql.identifier(naming.GENERATED_SCHEMA, row),),
        declared=_VARIABLES if is_of_another else (),
        rules=described,
        rule_names=Sql(f"ARRAY[{sql.join(', ', (one.name for one in described))}]::text[]"),
        rows=rows_of_batch(compiler),
        undoing=compiler.undoing,
    )
    return (
        *(() if is_of_another else (compiler.judge_row(row, judged, described, reads_table=True),)),
        compiler.function(
            name,
            sql.render("judge_rows", context),
            "judges rows that could not be judged when they were written, for example while a lock was held",
            arguments=_BATCH_AND_RULE,
            reads_table=True,
            settings=session_settings.ALL,
        ),
    )


def _is_out_of_reach(rule: rules.Rule, compiler: WriteCompiler) -> bool:
    """Whether a third role's function looks rows up, which the owner of the table may not call."""
    if not compiler.subject.is_of_another:
        return False
    found = conditions.lookup(rule, compiler.subject, ROW)
    return found is not None and found.pinned is not None
