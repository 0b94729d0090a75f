"""A reader of guarded views."""

import pytest
from guarded_example import guarded


@pytest.fixture
def reader(session):
    guarded(session)
    return session
