-- The tables as a platform has them before anyone thought of objectives: columns with types, and little else.
CREATE SCHEMA ref;
CREATE TABLE ref.airlines (
    carrier text PRIMARY KEY,
    name text NOT NULL
);
CREATE TABLE ref.airports (
    faa text PRIMARY KEY,
    name text NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL
);

CREATE SCHEMA features;
CREATE TABLE features.flights (
    flight_date date,
    carrier text,
    flight integer,
    origin text,
    dest text,
    tailnum text,
    sched_dep_time time,
    dep_time time,
    dep_delay integer,
    sched_arr_time time,
    arr_time time,
    arr_delay integer,
    air_time integer,
    distance integer,
    time_hour timestamptz
);
COMMENT ON TABLE features.flights IS 'Scheduled departures from New York. Delays and air time are minutes; a cancelled flight has no dep_time, arr_time and air_time.';
