"""Everything that talks to a database: connections, facts read, plans made and carried out. Decides nothing."""

from pgslo.database.catalog_queries import fetch
from pgslo.database.connections import Connection, check_node, check_writable, connect, errors, strange_owner

__all__ = ["Connection", "check_node", "check_writable", "connect", "errors", "fetch", "strange_owner"]
