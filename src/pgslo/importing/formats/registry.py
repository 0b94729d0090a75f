"""The reader of each format."""

from __future__ import annotations

from pgslo.importing.formats import dbt, dlt, dqx, gx, openslo, pandera, sqlmesh, tfdv
from pgslo.importing.formats.base import Reader
from pgslo.importing.formats.contracts import dcs, odcs
from pgslo.importing.formats.soda import contract as soda
from pgslo.importing.formats.soda import sodacl

READERS: dict[str, Reader] = {
    "dbt": dbt.read,
    "odcs": odcs.read,
    "dcs": dcs.read,
    "sodacl": sodacl.read,
    "soda": soda.read,
    "gx": gx.read,
    "tfdv": tfdv.read,
    "sqlmesh": sqlmesh.read,
    "dlt": dlt.read,
    "openslo": openslo.read,
    "dqx": dqx.read,
    "pandera": pandera.read,
}
#: Formats that another one's reader reads with its own files.
_WITH = {"dbt-manifest": "dbt"}
#: As ``--from`` names them.
FORMATS = (*_WITH, *READERS)


def together(name: str) -> str:
    """Return the format whose reader reads a format."""
    return _WITH.get(name, name)
