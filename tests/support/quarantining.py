"""A table whose rule keeps rows in quarantine, and how they are released."""

RULE = "columns: {v: [{range: {max: 100, on_breach: quarantine}}]}"


def guard(session, table="id int PRIMARY KEY, v int", extra=""):
    session.run(f"CREATE TABLE features.example ({table})")
    session.guard(f"table: features.example\nowner: sam\n{extra}\n{RULE}")


def release(session, number=None, changes=None):
    number = (
        session.values("SELECT max(quarantine_id) FROM pgslo.quarantine")[0] if number is None else number
    )
    arguments = str(number) if changes is None else f"{number}, '{changes}'"
    return session.run(f"SELECT pgslo.release({arguments})").rows[0][0]


def rows(session, columns="id, v"):
    return list(session.run(f"SELECT {columns} FROM features.example ORDER BY 1").rows)
