"""A Python process that answers many calls: its imports take longer than its work."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_LOOP = """
import json, sys, traceback
for line in sys.stdin:
    try:
        said = {"answer": answer(json.loads(line))}
    except Exception:
        said = {"error": traceback.format_exc()}
    print("ANSWER", json.dumps(said), flush=True)
"""


class KeptProcess:
    """Calls of a function ``answer`` in a process that is already there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, question: Any) -> Any:
        """Return what ``answer(question)`` returned; both are JSON.

        Raises:
            RuntimeError: It raised an exception, whose traceback this has, or the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith("ANSWER "):
                said = json.loads(line.removeprefix("ANSWER "))
                if "error" in said:
                    raise RuntimeError(said["error"])
                return said["answer"]
        raise RuntimeError(f"the process ended with code {self._process.wait()}")


@contextlib.contextmanager
def kept(
    python: str | Path, script: str, *, env: Mapping[str, str], cwd: Path | None = None
) -> Iterator[KeptProcess]:
    """Start a process.

    Args:
        python: The interpreter.
        script: Defines a function ``answer``.
        env: The whole environment.
        cwd: Where it starts.
    """
    command: Sequence[str] = [str(python), "-c", script + _LOOP]
    with subprocess.Popen(
        command, env=env, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:  # fmt: skip
        yield KeptProcess(process)
        assert process.stdin is not None
        process.stdin.close()
