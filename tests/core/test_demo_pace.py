"""The demo loads nights no faster than they are closed, however busy the machine is."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "flights"


@pytest.fixture
def pace(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield pytest.importorskip("demo").Pace(2)
    sys.modules.pop("demo", None)


def test_loading_waits_for_nights_to_be_closed(pace):
    seen: list[int] = []
    arrived = threading.Semaphore(0)

    def load() -> None:
        for night in range(1, 6):
            pace.wait(night)
            seen.append(night)
            arrived.release()

    loading = threading.Thread(target=load, daemon=True)
    loading.start()
    assert all(arrived.acquire(timeout=30) for _ in range(2))
    assert not arrived.acquire(timeout=0.2), "a third night, and none is closed"
    pace.closed(1)
    assert arrived.acquire(timeout=30)
    assert seen == [1, 2, 3]
    # Nobody closes any more: an error is to be seen, not waited for.
    pace.over()
    loading.join(timeout=30)
    assert seen == [1, 2, 3, 4, 5]
