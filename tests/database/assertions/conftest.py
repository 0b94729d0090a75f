"""The tables that assertions are about."""

from __future__ import annotations

import pytest
from weights import TABLES


@pytest.fixture
def conn(connection):
    connection.execute(TABLES)
    return connection
