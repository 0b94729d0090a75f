"""Facts about a database, as frozen data: what tables look like and what pgslo has installed."""

from pgslo.catalog.database import Catalog, StrangeRight
from pgslo.catalog.engines import Citus, Engine, Placement
from pgslo.catalog.generated import Forgery, Installed, Kind, identity
from pgslo.catalog.relations import (
    BOOLEAN,
    NUMERIC,
    TEMPORAL,
    TEXT,
    Column,
    Field,
    ForeignKey,
    Index,
    Inside,
    Name,
    Reach,
    Relation,
)
from pgslo.catalog.stated import Stated
from pgslo.catalog.views import Grant, GuardedView, TableReader, ViewSchema

__all__ = [
    "BOOLEAN",
    "NUMERIC",
    "TEMPORAL",
    "TEXT",
    "Catalog",
    "Citus",
    "Column",
    "Engine",
    "Field",
    "ForeignKey",
    "Forgery",
    "Grant",
    "GuardedView",
    "Index",
    "Inside",
    "Installed",
    "Kind",
    "Name",
    "Placement",
    "Reach",
    "Relation",
    "Stated",
    "StrangeRight",
    "TableReader",
    "ViewSchema",
    "identity",
]
