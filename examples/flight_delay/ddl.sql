-- What a flight looks like the evening before, what became of it, and what the model said.
CREATE SCHEMA features;
CREATE TABLE features.flight (
    flight_id integer PRIMARY KEY,
    flight_date date,
    carrier text,
    origin text,
    sched_hour integer,
    distance integer,
    wind_speed double precision,
    visibility double precision,
    precipitation double precision,
    carrier_late double precision
);
CREATE INDEX ON features.flight (flight_date);
COMMENT ON TABLE features.flight IS 'Distance is in miles, wind speed in miles per hour; carrier_late is the share of late flights of the carrier in the seven days before.';

CREATE SCHEMA serving;
CREATE TABLE serving.delay_label (
    flight_id integer PRIMARY KEY,
    late boolean NOT NULL,
    known_at timestamptz NOT NULL
);
COMMENT ON TABLE serving.delay_label IS 'Whether a flight arrived more than 15 minutes late. A cancelled flight never arrives and has no label.';

CREATE TABLE serving.delay_prediction (
    flight_id integer PRIMARY KEY,
    flight_date date NOT NULL,
    score double precision,
    raw_score double precision,
    late boolean,
    trail text[],
    model_version text,
    predicted_at timestamptz
);
CREATE INDEX ON serving.delay_prediction (flight_date);
COMMENT ON TABLE serving.delay_prediction IS 'The model writes score; what is served of it, and the trail of what was done, the database makes.';
