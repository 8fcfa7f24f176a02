#!/usr/bin/env bash
# What a server, a role or an author may have set up around a run: names of schemas that mean something else, sessions
# that may not be idle, tables that may not be read, leftovers in a session, statements that take a cancel for
# something else.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin surroundings
cluster_start one
project small
revision 002_wait 001_first 'SELECT 1;' 'SELECT 1;'

# --- a tenant's name that was never set is no order to migrate the whole database
database one names
for arguments in upgrade 'upgrade --dry-run' 'downgrade base' 'stamp base' current ensure-version; do
    # shellcheck disable=SC2086
    expect_exit 2 pgtide $arguments --schema ''
done
# --- schemas that are no tenant's: of PostgreSQL, of pgtide, and one that search_path reads as another
sql 'CREATE SCHEMA "$user"'
for schema in '$user' pg_catalog pg_toast information_schema; do
    expect_exit 2 pgtide upgrade --schema "$schema"
    check 'says so' contains "$(cat "$T/err")" "schema \"$schema\" can't be a shard"
done
check 'nothing was made' same "$(sql "SELECT count(*) FROM pg_class WHERE relname IN ('alembic_version', 'first', 'shard')")" 0
expect_exit 0 pgtide ensure-version
expect_exit 2 pgtide upgrade --schema pgtide
check 'pgtide keeps its schema' same "$(sql "SELECT count(*) FROM pg_class WHERE relname = 'alembic_version' AND relnamespace = 'pgtide'::regnamespace")" 0

# --- rows that may not be read are not the same as none
database one unread
sql 'CREATE ROLE reader LOGIN; CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY); INSERT INTO alembic_version VALUES ($$001_first$$)'
reader="postgresql://reader@/unread?host=$T/one/socket"
expect_exit 5 pgtide current --url "$reader"
check 'says why' contains "$(cat "$T/err")" 'may not read alembic_version'
expect_exit 5 pgtide current --json --url "$reader"
expect_exit 0 pgtide current
check 'its owner may' contains "$(cat "$T/out")" 001_first
sql 'ALTER TABLE alembic_version RENAME TO other; CREATE VIEW alembic_version AS SELECT * FROM other'
expect_exit 0 pgtide current --json
check 'not known' contains "$(cat "$T/out")" '"rows":null'

# --- a server that ends idle sessions, and a hook that takes its time
database one idle
[ "$(pg_major)" -lt 14 ] || sql "ALTER DATABASE idle SET idle_session_timeout = '100ms'"
cat >"$PGTIDE_CONFIG" <<YAML
versions: versions
hooks:
  before-revision:
    - command: [sh, -c, "$PG_BIN/psql -XAtqc 'SELECT pg_sleep(0.3)' -h $T/one/socket -U postgres postgres"]
YAML
expect_exit 0 pgtide upgrade
check 'all of it' same "$(rows)" 003_last
echo 'versions: versions' >"$PGTIDE_CONFIG"

# --- a server that ends long transactions: a step's own timeouts say how long it may take
if [ "$(pg_major)" -ge 17 ]; then
    database one brief
    sql "ALTER DATABASE brief SET transaction_timeout = '2s'"
    revision 002_wait 001_first 'SELECT pg_sleep(2.2);' 'SELECT 1;'
    expect_exit 0 pgtide upgrade
    revision 002_wait 001_first 'SELECT 1;' 'SELECT 1;'
fi

# --- what a revision left in the session is not there for the next, whether they share a run, a transaction or neither
revision 004_left 003_last 'CREATE TEMP TABLE work AS SELECT 4 AS n; PREPARE work AS SELECT 1; LISTEN work;
DECLARE work CURSOR WITH HOLD FOR SELECT 1; CREATE TABLE four AS SELECT n FROM work;' 'DROP TABLE four;'
revision 005_found 004_left 'CREATE TEMP TABLE IF NOT EXISTS work AS SELECT 5 AS n; PREPARE work AS SELECT 1;
DECLARE work CURSOR WITH HOLD FOR SELECT 1; CREATE TABLE five AS SELECT n FROM work;' 'DROP TABLE five;'
cat >"$PROJECT/versions/006_units.sql" <<'SQL'
-- revision: 006_units
-- revises: 005_found
-- transaction: none
-- +upgrade
CREATE TEMP TABLE work AS SELECT 6 AS n;
CREATE TABLE six AS SELECT n FROM work;
-- +downgrade
DROP TABLE six;
SQL
database one leftovers
expect_exit 0 pgtide upgrade
check 'each had its own' same "$(sql 'SELECT (SELECT n FROM four), (SELECT n FROM five), (SELECT n FROM six)')" '4|5|6'
expect_exit 0 pgtide downgrade 003_last
expect_exit 0 pgtide upgrade 005_found --dry-run
expect_exit 0 pgtide upgrade 005_found --single-transaction
check 'in one transaction too' same "$(sql 'SELECT (SELECT n FROM four), (SELECT n FROM five)')" '4|5'
rm "$PROJECT/versions/004_left.sql" "$PROJECT/versions/005_found.sql" "$PROJECT/versions/006_units.sql"

# --- what we prepare in the session is thrown away: in so many words, by a function, by a statement outside a transaction
revision 004_left 003_last 'DEALLOCATE ALL; PREPARE pgtide_1 AS SELECT 1; CREATE TABLE four AS SELECT 4 AS n;' 'DROP TABLE four;'
revision 005_found 004_left "CREATE FUNCTION forget() RETURNS void LANGUAGE plpgsql AS \$\$ BEGIN
    EXECUTE 'DEALLO' || 'CATE ALL'; END \$\$; CREATE TABLE five AS SELECT 5 AS n;" 'DROP FUNCTION forget(); DROP TABLE five;'
revision 006_forgets 005_found 'SELECT forget(); INSERT INTO five VALUES (6);' 'SELECT forget(); DELETE FROM five WHERE n = 6;'
cat >"$PROJECT/versions/007_units.sql" <<'SQL'
-- revision: 007_units
-- revises: 006_forgets
-- transaction: none
-- +upgrade
SELECT forget();
-- +rerunnable
DEALLOCATE ALL;
INSERT INTO five VALUES (7);
-- +downgrade
DELETE FROM five WHERE n = 7;
SQL
revision 008_last 007_units 'INSERT INTO five VALUES (8);' 'DELETE FROM five WHERE n = 8;'
database one forgotten
cat >"$PGTIDE_CONFIG" <<'YAML'
versions: versions
hooks:
  before-revision:
    - sql: DEALLOCATE ALL
YAML
for options in '' --no-hooks; do
    # shellcheck disable=SC2086
    expect_exit 0 pgtide upgrade $options
    check 'each ran once' same "$(rows)|$(sql 'SELECT string_agg(n::text, $$ $$ ORDER BY n) FROM five')" '008_last|5 6 7 8'
    check 'nothing failed on the way' same "$(sql "SELECT count(*) FROM pgtide.history WHERE outcome <> 'succeeded'")" 0
    # shellcheck disable=SC2086
    expect_exit 0 pgtide downgrade base $options
done
expect_exit 0 pgtide upgrade 006_forgets --dry-run
expect_exit 0 pgtide upgrade 006_forgets --single-transaction --no-hooks
check 'in one transaction too' same "$(sql 'SELECT string_agg(n::text, $$ $$ ORDER BY n) FROM five')" '5 6'
echo 'versions: versions' >"$PGTIDE_CONFIG"
rm "$PROJECT"/versions/00[4-8]_*.sql

# --- a database whose transactions are of another kind
database one strict
sql "ALTER DATABASE strict SET default_transaction_isolation = 'serializable'"
expect_exit 0 pgtide upgrade
check 'all of it' same "$(rows)" 003_last
expect_exit 0 pgtide downgrade base

# --- a cancel that is taken for something else, as one that comes between two statements is: asked for again
revision 002_wait 001_first 'DO $$ BEGIN PERFORM pg_advisory_xact_lock(42);
EXCEPTION WHEN query_canceled THEN PERFORM pg_advisory_xact_lock(42); END $$;' 'SELECT 1;'
database one swallowed
hold_lock
"$BIN/pgtide" upgrade --lock-timeout 60s >"$T/step.out" 2>"$T/step.err" &
STEP_PID=$!
PIDS+=("$STEP_PID")
wait_for 10 'the step to wait' step_waits
kill -INT "$STEP_PID"
is_over() { ! kill -0 "$STEP_PID"; }
wait_for 30 'the step to end' is_over
status=0
wait "$STEP_PID" || status=$?
release_lock
check 'one signal was enough' same "$status|$(rows)" '130|001_first'

# --- a program that ends in its own way when it is told to
cat >"$PGTIDE_CONFIG" <<YAML
versions: versions
hooks:
  before-run:
    - command: [sh, -c, "trap 'exit 7' TERM; echo \$\$ >$T/hook.pid; while :; do read -r line <$T/never || exit 8; done"]
YAML
mkfifo "$T/never"
exec 8<>"$T/never"
"$BIN/pgtide" upgrade >"$T/step.out" 2>"$T/step.err" &
STEP_PID=$!
PIDS+=("$STEP_PID")
wait_for 10 'the program to run' test -s "$T/hook.pid"
kill -TERM "$STEP_PID"
status=0
wait "$STEP_PID" || status=$?
exec 8<&-
check 'it was an interruption' same "$status" 143

# --- a version table in a schema that is not searched: nobody begins at base beside it
project plain
rm "$PROJECT/versions/002_wait.sql" "$PROJECT/versions/003_last.sql"
database one elsewhere
cluster_psql one elsewhere -c 'CREATE SCHEMA "App 5"; CREATE TABLE "App 5".alembic_version (version_num varchar(32) PRIMARY KEY)' >/dev/null
expect_exit 5 pgtide upgrade
check 'it says where' contains "$(cat "$T/err")" 'alembic_version is in schema "App 5"'
check 'nothing was made' same "$(cluster_psql one elsewhere -c "SELECT to_regclass('alembic_version') IS NULL AND to_regnamespace('pgtide') IS NULL")" t
expect_exit 0 pgtide upgrade --schema 'App 5'
expect_exit 5 pgtide stamp head
expect_exit 0 pgtide ensure-version
expect_exit 0 pgtide upgrade
