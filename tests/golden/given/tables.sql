-- The tables that the definitions beside this folder are about.
CREATE SCHEMA features;
CREATE SCHEMA dim;

CREATE TABLE dim.country (
    code text PRIMARY KEY,
    name text NOT NULL
);

CREATE TABLE dim.product (
    shop integer,
    sku text,
    PRIMARY KEY (shop, sku)
);

-- Looked up by rules that do not reject: without this index a write would read the whole table.
CREATE TABLE dim.campaign (
    campaign text
);
CREATE INDEX campaign_idx ON dim.campaign (campaign);

CREATE TABLE features.user_stats (
    user_id bigint,
    feature_date date,
    age integer,
    clicks bigint,
    score real,
    spend numeric(12, 2),
    country text,
    plan text,
    email text,
    phone text,
    shop integer,
    sku text,
    campaign text,
    signed_up_at timestamptz,
    last_seen_at timestamptz,
    PRIMARY KEY (user_id, feature_date)
);
CREATE INDEX user_stats_email_idx ON features.user_stats (email);
CREATE INDEX user_stats_campaign_idx ON features.user_stats (campaign);
CREATE INDEX user_stats_last_seen_at_idx ON features.user_stats (last_seen_at);

-- What became true of the users whose score says so beforehand.
CREATE TABLE features.churn (
    user_id bigint,
    feature_date date,
    churned boolean,
    known_at timestamptz,
    PRIMARY KEY (user_id, feature_date)
);

-- A model's output, served after it was made fit for that.
CREATE TABLE features.churn_score (
    user_id bigint PRIMARY KEY,
    scored_at timestamptz,
    country text,
    is_staff boolean,
    score double precision,
    churns boolean,
    raw_score double precision,
    trail text[]
);
CREATE INDEX churn_score_country_idx ON features.churn_score (country, scored_at);

-- For assertions: promises over several rows, and over both of these tables.
CREATE TABLE features.staff (
    id integer PRIMARY KEY,
    name text NOT NULL,
    team text NOT NULL,
    salary integer,
    share numeric(6, 3),
    is_lead boolean NOT NULL DEFAULT false,
    version integer,
    since date,
    until date
);
CREATE INDEX staff_team_idx ON features.staff (team);

CREATE TABLE features.team (
    team text NOT NULL,
    budget integer,
    is_open boolean NOT NULL DEFAULT true
);
CREATE INDEX team_idx ON features.team (team);
