"""The two tables, guarded."""

from __future__ import annotations

from typing import Any

import pytest
from late_labels import DEFINITION, TABLES


@pytest.fixture
def guard(session):
    def guard(rules: str = "", definition: str = DEFINITION) -> Any:
        for statement in TABLES.split(";"):
            session.run(statement)
        session.guard(definition + (f"    rules: {rules}\n" if rules else ""))
        return session

    return guard
