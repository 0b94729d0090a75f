"""Two questions to the guarded view, as a role that may read nothing else."""

import os

import psycopg

from pgslo.client import watch

LATELY = " WHERE flight_date > (SELECT max(flight_date) - 3 FROM guarded.flights)"

with psycopg.connect(os.environ["ANALYST_DSN"]) as connection:
    watch(connection)
    late = connection.execute("SELECT round(avg(arr_delay), 1) FROM guarded.flights" + LATELY).fetchone()
    print("Late by", late[0], "minutes on average")
    aloft = connection.execute("SELECT round(avg(air_time), 1) FROM guarded.flights" + LATELY).fetchone()
    print("In the air for", aloft[0], "minutes on average")
