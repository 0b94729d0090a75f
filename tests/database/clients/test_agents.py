"""An agent that reads through a server of the Model Context Protocol, which drops warnings, DETAIL and HINT."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bookings import COUNTRY, INSISTING, PRICE

#: Fetched by .ci/mcp, like the servers of .ci/matrix.
_KEPT = "/var/cache" if os.getuid() == 0 else os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
FOLDER = Path(os.environ.get("PGSLO_CACHE") or Path(_KEPT) / "pgslo")
SERVER = FOLDER / "mcp/node_modules/@modelcontextprotocol/server-postgres/dist/index.js"


@pytest.fixture(scope="module")
def ask(bookings: Any) -> Iterator[Callable[[str], dict[str, Any]]]:
    """Have an agent's tool run a query; returns the answer, a result or an error."""
    if not SERVER.is_file() or not (node := shutil.which("node")):
        pytest.skip("no server of the Model Context Protocol: run .ci/mcp")
    with subprocess.Popen(
        [node, str(SERVER), bookings.uri],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        number = 0

        def call(method: str, parameters: dict[str, Any]) -> dict[str, Any]:
            nonlocal number
            number += 1
            request = {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
            print(json.dumps(request), file=server.stdin, flush=True)
            answer: dict[str, Any] = json.loads(server.stdout.readline())
            assert answer["id"] == number
            return answer

        client = {"name": "test", "version": "1"}
        call("initialize", {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": client})
        yield lambda query: call("tools/call", {"name": "query", "arguments": {"sql": query}})
        server.kill()


def rows(answer: dict[str, Any]) -> list[dict[str, Any]]:
    (content,) = answer["result"]["content"]
    found: list[dict[str, Any]] = json.loads(content["text"])
    return found


def test_an_agent_is_not_warned(ask):
    assert rows(ask(PRICE)) == [{"price": 100}, {"price": -5}]


def test_an_agent_is_refused_where_the_definition_insists(ask):
    for query in (INSISTING, "SELECT price FROM serving.price_bookings", f"{PRICE}_strict"):
        assert ask(query)["error"]["message"].startswith('read refused: column "price" of ml.')
    # Columns without an incident can be read.
    assert rows(ask(COUNTRY)) == [{"country": "de"}] * 2


def test_an_agent_reads_the_status(ask):
    row, _ = rows(ask("SELECT price, _slo_status FROM guarded.stays_status"))
    (problem,) = row["_slo_status"]["problems"]
    assert (row["price"], row["_slo_status"]["state"]) == (100, "missed")
    assert problem["message"] == 'column "price" of ml.stays misses rule "price_range"'
    assert problem["detail"].startswith("Batch 2026-02-01: 1 of 2 rows fail")
