"""A catalogue made by hand: two tables, as Citus may have placed them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgslo.catalog import Catalog, Citus, Column, Engine, Index, Placement, Relation
from pgslo.compile import compile_definition
from pgslo.definition import load
from pgslo.errors import DefinitionErrors


def columns(*named: tuple[str, str]) -> tuple[Column, ...]:
    return tuple(Column(name, kind, kind, "pg_catalog", _CATEGORY[kind]) for name, kind in named)


_CATEGORY = {"bigint": "N", "double precision": "N", "date": "D"}
T = Relation(
    "feat",
    "t",
    "r",
    columns(
        ("id", "bigint"),
        ("day", "date"),
        ("a", "double precision"),
        ("r", "bigint"),
    ),
    primary_key=("id", "day"),
    indexes=(Index(("id", "day"), unique=True, whole=True),),
)
R = Relation(
    "feat",
    "r",
    "r",
    columns(("id", "bigint"), ("a", "double precision")),
    primary_key=("id",),
    indexes=(Index(("id",), unique=True, whole=True),),
)
HASHED = Placement("distributed", "id", 7)
COPIED = Placement("reference")
HEAD = "table: feat.t\nowner: sam\n"


def catalog(*, version: int = 180000, engine: Engine | None = None, **placed: Placement) -> Catalog:
    citus = Citus(is_worker=False, tables={("feat", name): one for name, one in placed.items()})
    return Catalog(
        version,
        {("feat", "t"): T, ("feat", "r"): R},
        engine=engine or Engine(database="f"),
        citus=citus if placed else None,
        user="owner",
    )


def by_day(**placed: Placement) -> Catalog:
    return replace(
        catalog(**placed), expression_types={(("feat", "t"), "day"): ("date", "D", True)}, keeper="owner"
    )


def refused(text: str, known: Catalog) -> list[str]:
    with pytest.raises(DefinitionErrors) as caught:
        compile_definition(load(HEAD + text, path="slos/t.yml"), known)
    return [error.message for error in caught.value.errors]
