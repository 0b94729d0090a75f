"""Two questions to the guarded view, as a role that may read nothing else."""

import os

import psycopg

from pgslo.client import watch

with psycopg.connect(os.environ["ANALYST_DSN"]) as connection:
    watch(connection)
    late = connection.execute("SELECT round(avg(arr_delay), 1) FROM guarded.flights").fetchone()
    print("Late by", late[0], "minutes on average")
    aloft = connection.execute("SELECT round(avg(air_time), 1) FROM guarded.flights").fetchone()
    print("In the air for", aloft[0], "minutes on average")
