#!/bin/sh
# Runs once, in an empty database: a role that may replicate and read, and something to look at.
set -eu
psql -v ON_ERROR_STOP=1 -U postgres -d shop -v password="$(cat /run/secrets/password)" <<'SQL'
CREATE ROLE cdc LOGIN REPLICATION PASSWORD :'password';
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL, paid boolean DEFAULT false);
INSERT INTO orders (item) SELECT 'item ' || n FROM generate_series(1, 100) n;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO cdc;
CREATE PUBLICATION cdc_shop FOR TABLES IN SCHEMA public;
CREATE PUBLICATION cdc_shop_nats FOR TABLES IN SCHEMA public;
SQL
