-- What pgtide keeps in a database that holds shards. Created once a database, in the transaction
-- that adopts its first shard; every row is keyed by the shard's schema name ('' = the whole
-- database). Run under search_path = pg_catalog, pg_temp. Only plain CREATE: a lost race fails and
-- is read again.

CREATE SCHEMA pgtide;
REVOKE ALL ON SCHEMA pgtide FROM PUBLIC;

CREATE TABLE pgtide.meta (
    format integer NOT NULL,
    created timestamptz NOT NULL DEFAULT now()
);
INSERT INTO pgtide.meta (format) VALUES (2);

-- fence rises with every claim, epoch with every coordinator: a writer that holds an older pair
-- updates no row, and stops.
CREATE TABLE pgtide.shard (
    schema_name text COLLATE "C" PRIMARY KEY,
    uuid uuid,
    fleet_id uuid,
    fence bigint NOT NULL DEFAULT 0 CHECK (fence >= 0),
    epoch bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    system_identifier bigint NOT NULL,
    database_oid bigint NOT NULL,
    schema_oid bigint NOT NULL,
    last_operation bytea CHECK (octet_length(last_operation) = 16)
);

CREATE TABLE pgtide.history (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name text COLLATE "C" NOT NULL,
    operation bytea CHECK (octet_length(operation) = 16),
    rollout uuid,
    generation integer NOT NULL DEFAULT 0,
    attempt integer NOT NULL DEFAULT 0,
    revision text COLLATE "C",
    direction text NOT NULL CHECK (direction IN
        ('upgrade', 'downgrade', 'stamp', 'restore', 'external', 'adopt')),
    rows_before text[] COLLATE "C" NOT NULL,
    rows_after text[] COLLATE "C" NOT NULL,
    source_sha256 bytea CHECK (octet_length(source_sha256) = 32),
    token_digest text,
    who text,
    started timestamptz NOT NULL DEFAULT now(),
    finished timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text NOT NULL CHECK (outcome IN ('succeeded', 'failed', 'unknown')),
    sqlstate text,
    message text,
    facts jsonb
);
CREATE UNIQUE INDEX history_operation ON pgtide.history (operation, schema_name)
    WHERE outcome = 'succeeded';
CREATE INDEX history_schema ON pgtide.history (schema_name, seq);

-- Where a step outside a transaction stands: its intent is written before the statement runs.
CREATE TABLE pgtide.progress (
    schema_name text COLLATE "C" NOT NULL,
    operation bytea NOT NULL CHECK (octet_length(operation) = 16),
    unit integer NOT NULL,
    kind text NOT NULL,
    digest bytea,
    position jsonb,
    started timestamptz NOT NULL DEFAULT now(),
    finished timestamptz,
    PRIMARY KEY (schema_name, operation, unit)
);
