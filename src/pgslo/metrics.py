"""What ``pgslo.metric`` and the search for drift count, as Prometheus reads it: text, a file, a page to be scraped."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgslo.display import printable
from pgslo.errors import PgsloError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric


@dataclass(frozen=True)
class Family:
    """A metric: its name, the labels of its series, and its meaning. All are gauges."""

    name: str
    labels: tuple[str, ...]
    meaning: str


#: What ``pgslo.metric`` holds.
OF_THE_VIEW = (
    Family(
        "pgslo_table_info", ("table", "owner"), "Tables that have a definition, with their owners; always 1."
    ),
    Family(
        "pgslo_incidents_open",
        ("table", "rule", "owner", "severity"),
        "Open incidents of a rule; people are notified of those with severity missed, not of suspect.",
    ),
    Family("pgslo_batches_missed", ("table",), "Batches that miss a rule and are still stored."),
    Family("pgslo_batches_waiting", ("table",), "Batches that tick should have judged by now."),
    Family("pgslo_batch_rows", ("table",), "Rows of the newest closed batch."),
    Family(
        "pgslo_column_not_null_ratio",
        ("table", "column"),
        "Share of values that are not NULL in the newest closed batch.",
    ),
    Family(
        "pgslo_drift_score",
        ("table", "column"),
        "Distance of the newest closed batch from its baseline; 1 is at the bound. Column * is the table as a whole.",
    ),
    Family(
        "pgslo_budget_remaining_ratio",
        ("table", "rule"),
        "Share of the error budget that is left, below 0 if it is overspent; without a rule it is the table's.",
    ),
    Family(
        "pgslo_burn_rate",
        ("table", "rule", "window"),
        "How fast the error budget goes; 1 uses it up exactly. In the whole window, or in its last tenth (recent).",
    ),
    Family("pgslo_freshness_seconds", ("table",), "Time since rows were last recorded."),
    Family("pgslo_quarantine_rows", ("table",), "Rows that wait in quarantine."),
    Family("pgslo_quarantine_fill_ratio", ("table",), "Share of the quarantine's bound that is used."),
    Family("pgslo_repairs_fill_ratio", ("table",), "Share of the bound of records of repairs that is used."),
    Family(
        "pgslo_repairs_left_out_timestamp_seconds",
        ("table",),
        "When repairs were last not recorded because of that bound, in Unix time; 0 if never.",
    ),
    Family("pgslo_rules_broken", ("table",), "Rules that cannot be evaluated."),
    Family("pgslo_paused", ("table",), "1 while a rule of the table is paused."),
    Family("pgslo_last_tick_timestamp_seconds", (), "When tick last looked after all tables, in Unix time."),
    Family("pgslo_deliveries_failed", (), "Messages that could not be sent and are tried again."),
)
DRIFT = Family(
    "pgslo_drift_findings",
    ("table",),
    "What changed in the database since the last apply, as pgslo drift finds it.",
)
UP = Family("pgslo_up", (), "Whether the database answered; 0: nothing else is known.")
FAMILIES = (*OF_THE_VIEW, DRIFT, UP)


@dataclass(frozen=True)
class Sample:
    """One number."""

    name: str
    labels: Mapping[str, str]
    value: float


Read = Callable[[], Sequence[Sample]]


def as_text(samples: Sequence[Sample]) -> str:
    """OpenMetrics text.

    Raises:
        PgsloError: prometheus-client is not installed.
    """
    _check_installed()
    from prometheus_client.openmetrics.exposition import generate_latest

    text: bytes = generate_latest(_registry(lambda: samples))  # type: ignore[no-untyped-call]
    return text.decode()


def write(path: Path, samples: Sequence[Sample]) -> None:
    """Write a file for node_exporter's textfile collector; it is there whole or not at all.

    Raises:
        PgsloError: prometheus-client is not installed.
    """
    _check_installed()
    from prometheus_client import write_to_textfile

    write_to_textfile(str(path), _registry(lambda: samples))


@contextlib.contextmanager
def serving(address: tuple[str, int], read: Read) -> Iterator[int]:
    """Answer those who scrape until the block ends; yields the port.

    Args:
        address: Where to listen; port 0 is any that is free.
        read: Called for each scrape, by one thread at a time or several; must not raise.

    Raises:
        PgsloError: prometheus-client is not installed, or the address cannot be used.
    """
    _check_installed()
    from prometheus_client import start_http_server

    host, port = address
    try:
        server, thread = start_http_server(port, addr=host, registry=_registry(read))
    except (OSError, OverflowError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or str(exc)
        raise PgsloError(
            f"cannot serve metrics on {host}:{port}: {reason.lower()}",
            hint="name an address of this machine and a port that no other program uses: --metrics 127.0.0.1:9187",
        ) from None
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _check_installed() -> None:
    try:
        import prometheus_client  # noqa: F401 - an extra
    except ModuleNotFoundError:
        raise PgsloError(
            "metrics need prometheus-client",
            hint="install pgslo with its extra: pip install 'pgslo[metrics]'",
        ) from None


def _registry(read: Read) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(_Collector(read))
    return registry


class _Collector:
    """What prometheus-client asks for its metrics."""

    def __init__(self, read: Read) -> None:
        self._read = read

    def describe(self) -> list[Metric]:
        """Nothing: a registry would read the database to find out."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The families of one read of the database, each with its series."""
        from prometheus_client.core import GaugeMetricFamily

        by_name: dict[str, list[Sample]] = {}
        for sample in self._read():
            by_name.setdefault(sample.name, []).append(sample)
        # A newer runtime has metrics that this library does not know.
        known = [one for one in FAMILIES if one.name in by_name]
        strange = [
            Family(name, tuple(sorted(found[0].labels)), "A metric of a newer runtime.")
            for name, found in by_name.items()
            if all(one.name != name for one in FAMILIES)
        ]
        for family in (*known, *strange):
            metric = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
            for sample in by_name[family.name]:
                metric.add_metric([_label(sample.labels.get(one, "")) for one in family.labels], sample.value)
            yield metric


#: What :func:`printable` writes, and what an author may write like it.
_ESCAPE = re.compile(r"\\[xuU]")


def _label(text: str) -> str:
    r"""A name without characters that a terminal or a page obeys; an author's own ``\x1b`` is another name."""
    return printable(text.replace("\\", "\\\\") if _ESCAPE.search(printable(text)) else text)


def from_rows(rows: Iterable[Mapping[str, Any]]) -> list[Sample]:
    """The samples of ``sql/catalog/metrics.sql``."""
    return [Sample(row["name"], row["labels"], row["value"]) for row in rows]
