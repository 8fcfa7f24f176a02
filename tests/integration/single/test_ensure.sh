#!/usr/bin/env bash
# `pgtide ensure`: only what is missing is run, everything is asked at once, and nothing else is touched.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin ensure
cluster_start one

PROJECT=$T/project
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
mkdir -p "$PROJECT/versions" "$PROJECT/safe"
printf 'versions: versions\nsafe: safe\n' >"$PGTIDE_CONFIG"
database one mine

# --- nothing there, then everything; the second time nothing is run
sql 'CREATE TABLE users (id int); CREATE TABLE old (id int)'
cat >"$PROJECT/safe/010_users.sql" <<'END'
-- what older databases may lack
ALTER TABLE users ADD COLUMN IF NOT EXISTS bio text;
ALTER TABLE users ADD COLUMN IF NOT EXISTS "Title" varchar(100), ADD COLUMN IF NOT EXISTS at timestamptz;
CREATE INDEX IF NOT EXISTS users_bio ON users (bio);
DROP TABLE IF EXISTS old;
END
expect_exit 3 pgtide ensure --check
check 'what is missing is named' contains "$(cat "$T/out")" 'missing: column users.bio'
check 'with its place' contains "$(cat "$T/out")" '010_users.sql:2'
check 'and what is to go' contains "$(cat "$T/out")" 'still there: relation old'
check 'asking changes nothing' same "$(sql "SELECT count(*) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0")" 1
expect_exit 0 pgtide ensure
check 'done' contains "$(cat "$T/out")" '0 there, 4 done'
check 'columns' same "$(sql "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attnum > 0")" 'id bio Title at'
check 'dropped' same "$(sql "SELECT to_regclass('old') IS NULL")" t
expect_exit 0 pgtide ensure --json
check 'nothing is run again' contains "$(cat "$T/out")" '"present":4,"missing":0,"done":0,"ran":0'
expect_exit 0 pgtide ensure --check
check 'no adoption, no version table' same "$(sql "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'pgtide' OR relname = 'alembic_version'")" 0

# --- a start that finds everything there waits for nobody
mkfifo "$T/busy"
cluster_psql one mine <"$T/busy" >/dev/null &
PIDS+=("$!")
exec 8>"$T/busy"
echo 'BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT 1;' >&8
locked() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND mode = 'AccessExclusiveLock'")" = 1 ]; }
unlocked() { ! locked; }
wait_for 10 'the table to be locked' locked
expect_exit 0 pgtide ensure
# --- what is missing does, a while, and then says who is in the way
echo 'ALTER TABLE users ADD COLUMN IF NOT EXISTS more int;' >"$PROJECT/safe/020_more.sql"
expect_exit 6 pgtide ensure --lock-timeout 50ms
check 'says who blocks' contains "$(cat "$T/err")" 'held by pid'
check 'and where' contains "$(cat "$T/err")" '020_more.sql:1'
"$BIN/pgtide" ensure >"$T/retry.out" 2>"$T/retry.err" &
retry=$!
PIDS+=("$retry")
waits() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND NOT granted")" = 1 ]; }
wait_for 10 'ensure to wait' waits
echo '\q' >&8
exec 8>&-
wait "$retry"
check 'a lock that goes in time is no failure' contains "$(cat "$T/retry.out")" 'added: column users.more'

# --- every form: missing, then there
sql "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE t (id int, a int, b int NOT NULL, c int GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT gone CHECK (a > 0));
ALTER TABLE t ADD CONSTRAINT later CHECK (a < 9) NOT VALID; CREATE TABLE renamed (id int); CREATE TABLE moved (id int);
CREATE VIEW v AS SELECT 1 AS x; CREATE SEQUENCE dropped_sequence; CREATE DOMAIN d AS int; CREATE SCHEMA gone; CREATE SCHEMA target;
CREATE FUNCTION f(int, text[]) RETURNS int LANGUAGE sql AS 'SELECT 1'; CREATE EXTENSION hstore;
CREATE FUNCTION tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER tr BEFORE INSERT ON t EXECUTE FUNCTION tf(); CREATE POLICY p ON t; CREATE RULE r AS ON UPDATE TO t DO ALSO NOTHING"
rm "$PROJECT"/safe/*
cat >"$PROJECT/safe/forms.sql" <<'END'
CREATE SCHEMA IF NOT EXISTS app;
CREATE TABLE IF NOT EXISTS app.made (id int);
CREATE SEQUENCE IF NOT EXISTS made_sequence;
CREATE MATERIALIZED VIEW IF NOT EXISTS made_view AS SELECT 1 AS x;
CREATE TABLE IF NOT EXISTS made_as AS SELECT 1 AS x;
CREATE UNIQUE INDEX IF NOT EXISTS made_index ON app.made (id);
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE STATISTICS IF NOT EXISTS made_statistics ON a, b FROM t;
CREATE COLLATION IF NOT EXISTS made_collation FROM "C";
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'it''s ok';
ALTER TABLE t ADD COLUMN IF NOT EXISTS n int DEFAULT 5;
ALTER TABLE IF EXISTS nowhere ADD COLUMN IF NOT EXISTS n int;
ALTER TABLE t DROP COLUMN IF EXISTS id CASCADE;
ALTER TABLE t DROP CONSTRAINT IF EXISTS gone;
ALTER TABLE t ALTER COLUMN a SET NOT NULL;
ALTER TABLE t ALTER COLUMN b DROP NOT NULL;
ALTER TABLE t ALTER COLUMN c DROP IDENTITY IF EXISTS;
ALTER TABLE t VALIDATE CONSTRAINT later;
ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE IF EXISTS renamed RENAME TO renamed_now;
ALTER TABLE IF EXISTS moved SET SCHEMA target;
DROP VIEW IF EXISTS v;
DROP SEQUENCE IF EXISTS dropped_sequence;
DROP DOMAIN IF EXISTS d;
DROP SCHEMA IF EXISTS gone;
DROP EXTENSION IF EXISTS hstore;
DROP FUNCTION IF EXISTS f(integer, text[]);
DROP TRIGGER IF EXISTS tr ON t;
DROP POLICY IF EXISTS p ON t;
DROP RULE IF EXISTS r ON t;
CREATE OR REPLACE FUNCTION g(a int, b text) RETURNS SETOF int LANGUAGE sql STABLE STRICT AS $$ SELECT a -- 'quoted' \
$$;
CREATE OR REPLACE PROCEDURE proc() LANGUAGE plpgsql AS 'BEGIN END';
END
forms=$(grep -c ';$' "$PROJECT/safe/forms.sql")
forms=$((forms - 1)) # one of them is there: nowhere is nowhere
expect_exit 0 pgtide ensure -v
check 'each is done once' contains "$(cat "$T/out")" "1 there, $forms done, 0 run each time"
expect_exit 0 pgtide ensure -v
check 'and is there then' contains "$(cat "$T/out")" "$((forms + 1)) there, 0 done, 0 run each time"
sed -i 's/SELECT a --/SELECT a + 1 --/' "$PROJECT/safe/forms.sql"
expect_exit 0 pgtide ensure
check 'a function whose body changed is replaced' contains "$(cat "$T/out")" "$forms there, 1 done, 0 run each time"
check 'with the new body' same "$(sql "SELECT g(1, 'x')")" 2

# --- other forms run each time; an INVALID index is no index
rm "$PROJECT"/safe/*
printf "CREATE OR REPLACE VIEW again AS SELECT 1 AS x;\nCOMMENT ON TABLE t IS 'x';\n" >"$PROJECT/safe/each.sql"
expect_exit 0 pgtide ensure -v
check 'run each time, and said' contains "$(cat "$T/out")" 'run each time: COMMENT ON TABLE t'
expect_exit 0 pgtide ensure
check 'again' contains "$(cat "$T/out")" '2 run each time'
sql 'CREATE TABLE doubled AS SELECT 1 AS x FROM generate_series(1, 2)'
sql 'CREATE UNIQUE INDEX CONCURRENTLY broken ON doubled (x)' 2>/dev/null || true
echo 'CREATE UNIQUE INDEX IF NOT EXISTS broken ON doubled (x);' >"$PROJECT/safe/index.sql"
expect_exit 5 pgtide ensure
check 'told' contains "$(cat "$T/err")" 'INVALID'
rm "$PROJECT/safe/index.sql"

# --- wrong statements: refused by file and line before anything runs; wrong ones at the server by theirs
printf 'CREATE TABLE IF NOT EXISTS before_it (id int);\nDROP TABLE t;\n' >"$PROJECT/safe/wrong.sql"
expect_exit 2 pgtide ensure
check 'by line' contains "$(cat "$T/err")" 'wrong.sql:2'
check 'nothing ran' same "$(sql "SELECT to_regclass('before_it') IS NULL")" t
printf 'CREATE TABLE IF NOT EXISTS before_it (id int);\n\nALTER TABLE absent ADD COLUMN IF NOT EXISTS x int;\n' >"$PROJECT/safe/wrong.sql"
expect_exit 1 pgtide ensure
check 'an error has its line' contains "$(cat "$T/err")" 'wrong.sql:3'
check 'what was done before stays' same "$(sql "SELECT to_regclass('before_it') IS NULL")" f
rm "$PROJECT"/safe/*

# --- tenants' schemas: a table of the same name elsewhere is another one
sql 'CREATE SCHEMA tenant; CREATE TABLE public.things (id int)'
echo 'CREATE TABLE IF NOT EXISTS things (id int);' >"$PROJECT/safe/tenant.sql"
expect_exit 0 pgtide ensure --schema tenant
check 'made in the tenant' same "$(sql "SELECT to_regclass('tenant.things') IS NULL")" f
expect_exit 2 pgtide ensure --schema nosuch
check 'a schema that is not there' contains "$(cat "$T/err")" 'no schema nosuch'

# --- many databases, and several starts at once
for name in m1 m2 m3; do cluster_psql one postgres -c "CREATE DATABASE $name"; done
for name in m1 m2 m3; do echo "$name $(cluster_url one "$name")"; done >"$T/urls"
expect_exit 0 pgtide ensure --urls "$T/urls" -j 2
check 'all of them' same "$(for name in m1 m2 m3; do cluster_psql one "$name" -c "SELECT to_regclass('things')"; done)" 'things
things
things'
cat >"$PROJECT/safe/race.sql" <<'END'
CREATE SCHEMA IF NOT EXISTS race;
CREATE TABLE IF NOT EXISTS race.a (id serial PRIMARY KEY, x text);
CREATE TABLE IF NOT EXISTS race.b (id serial PRIMARY KEY, x text);
ALTER TABLE race.a ADD COLUMN IF NOT EXISTS y int;
CREATE INDEX IF NOT EXISTS a_x ON race.a (x);
CREATE OR REPLACE FUNCTION race.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
END
starts=()
for i in 1 2 3 4 5 6; do
    "$BIN/pgtide" ensure --url "$(cluster_url one m1)" >"$T/race$i.out" 2>"$T/race$i.err" &
    starts+=("$!")
done
for start in "${starts[@]}"; do wait "$start" || { cat "$T"/race*.err; false; }; done
check 'starts at once do not get into each other'"'"'s way' same "$(cluster_psql one m1 -c "SELECT count(*) FROM pg_class WHERE relnamespace = 'race'::regnamespace AND relkind = 'r'")" 2

# --- a project without, a standby
sed -i '/safe:/d' "$PGTIDE_CONFIG"
expect_exit 2 pgtide ensure
echo 'safe: safe' >>"$PGTIDE_CONFIG"
rm "$PROJECT"/safe/*
echo 'ALTER TABLE t ADD COLUMN IF NOT EXISTS n int;' >"$PROJECT/safe/standby.sql"
as_pg "$PG_BIN/pg_basebackup" -h "$T/one/socket" -U postgres -D "$T/one/standby" -R --checkpoint=fast >/dev/null
as_pg mkdir "$T/one/standby-socket"
{
    echo "unix_socket_directories = '$T/one/standby-socket'"
    echo "cluster_name = 'standby'"
} | as_pg tee -a "$T/one/standby/postgresql.conf" >/dev/null
as_pg "$PG_BIN/pg_ctl" -D "$T/one/standby" -l "$T/one/standby.log" -w -t 60 start >/dev/null
standby="postgresql://postgres@/mine?host=$T/one/standby-socket"
expect_exit 0 pgtide ensure --url "$standby"
echo 'ALTER TABLE t ADD COLUMN IF NOT EXISTS q int;' >>"$PROJECT/safe/standby.sql"
expect_exit 5 pgtide ensure --url "$standby"
check 'told' contains "$(cat "$T/err")" 'standby'
as_pg "$PG_BIN/pg_ctl" -D "$T/one/standby" -m immediate -w stop >/dev/null
