#!/usr/bin/env bash
# A database is changed until it is as a model says; what loses rows, what a fleet manages and what can't be said is not run.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin schema_apply
export PGOPTIONS='-c client_min_messages=error'
cluster_start one fsync=off
database one target
cat >"$T/model.sql" <<'END'
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql AS 'SELECT upper($1)';
CREATE TABLE users (id int PRIMARY KEY, name text DEFAULT shout('x'), mood mood);
CREATE VIEW names AS SELECT name FROM users;
END
expect_exit 3 pgtide schema apply "$T/model.sql" --dry-run
check 'a dry run tells' contains "$(cat "$T/out")" 'create table public.users'
check 'and does nothing' same "$(sql "SELECT to_regclass('users')")" ''
expect_exit 3 pgtide schema apply "$T/model.sql" --sql
check 'a script' contains "$(cat "$T/out")" 'SET LOCAL check_function_bodies = off;'
expect_exit 0 pgtide schema apply "$T/model.sql"
check 'done' contains "$(cat "$T/out")" 'done: the database is as the model says'
check 'it is' same "$(sql "INSERT INTO users (id) VALUES (1) RETURNING name")" X
expect_exit 0 pgtide schema apply "$T/model.sql"
check 'nothing to do' contains "$(cat "$T/out")" 'nothing to do'
check 'nothing is recorded' same "$(sql "SELECT to_regnamespace('pgtide')")" ''

# --- a new label is used at once; a lock is waited for, and tried again
sed -i "s/'ok')/'ok', 'great')/; s/mood mood/mood mood DEFAULT 'great'/; s/name text/full_name text/; s/SELECT name/SELECT full_name/" "$T/model.sql"
hold_lock
echo 'BEGIN; SELECT FROM users;' >&9
users_locked() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND mode = 'AccessShareLock' AND granted")" = 1 ]; }
wait_for 10 'users to be read' users_locked
expect_exit 6 pgtide schema apply "$T/model.sql" --rename public.users.name=full_name --lock-timeout 50ms --lock-attempts 2
check 'it was tried again' contains "$(cat "$T/err")" 'trying again (2 of 2)'
pgtide schema apply "$T/model.sql" --rename public.users.name=full_name --lock-timeout 50ms --json >"$T/result" 2>"$T/tries" &
applying=$!
PIDS+=("$applying")
tried() { grep -q 'trying again' "$T/tries"; }
wait_for 20 'the second try' tried
release_lock
check 'it gets the lock in the end' wait "$applying"
check 'JSON' /usr/bin/python3 -c '
import json, sys
result = json.load(open(sys.argv[1]))["result"]
assert result["applied"] and result["left"] == [] and len(result["operations"]) > 2, result' "$T/result"
check 'the row is there' same "$(sql 'SELECT full_name FROM users')" X

# --- refused: rows, what can't be said, what fails, a fleet's
echo 'SELECT 1;' >"$T/empty.sql"
expect_exit 5 pgtide schema apply "$T/empty.sql"
check 'rows would be lost' contains "$(cat "$T/err")" 'the first: drop table public.users'
sed 's/id int PRIMARY KEY/id boolean PRIMARY KEY/' "$T/model.sql" >"$T/truth.sql"
expect_exit 5 pgtide schema apply "$T/truth.sql"
check 'values would be lost' contains "$(cat "$T/err")" 'the first: alter column public.users.id'
sed "s/, 'great')/)/; s/ DEFAULT 'great'//" "$T/model.sql" >"$T/fewer.sql"
expect_exit 3 pgtide schema apply "$T/fewer.sql"
check 'what can not be said' contains "$(cat "$T/out")" 'cannot type public.mood: labels'
check 'nothing was run' same "$(sql "SELECT column_default FROM information_schema.columns WHERE column_name = 'mood'")" "'great'::mood"
sql 'INSERT INTO users (id, full_name) VALUES (2, NULL)'
sed 's/full_name text/full_name text NOT NULL/; s/CREATE VIEW/CREATE TABLE more (id int); CREATE VIEW/' "$T/model.sql" >"$T/stricter.sql"
expect_exit 1 pgtide schema apply "$T/stricter.sql"
check 'what failed, and where' contains "$(cat "$T/err")" 'contains null values'
check 'nothing of it is done' same "$(sql "SELECT to_regclass('more')")" ''
check 'no word of labels' test -z "$(grep labels "$T/err")"
sed "/CREATE TYPE/s/'great'/'great', 'best'/" "$T/stricter.sql" >"$T/labelled.sql"
expect_exit 1 pgtide schema apply "$T/labelled.sql"
check 'labels stay, and it says so' contains "$(cat "$T/err")" 'The new labels of enums are there: they were committed before.'
check 'they are there' same "$(sql "SELECT enum_last(NULL::mood)")" best
cp "$T/labelled.sql" "$T/stricter.sql" && sed -i "/CREATE TYPE/s/'great'/'great', 'best'/" "$T/model.sql"
expect_exit 0 pgtide ensure-version
sql "UPDATE pgtide.shard SET fleet_id = 'e7f0a1b2-0000-4000-8000-000000000000'"
expect_exit 5 pgtide schema apply "$T/stricter.sql"
check "a fleet's" contains "$(cat "$T/err")" 'manages this shard'
sql 'UPDATE pgtide.shard SET fleet_id = NULL'
expect_exit 2 pgtide schema apply "$T/nowhere.sql"
expect_exit 2 pgtide schema apply

# --- a tenant's schema, and rows that may go
sql 'CREATE SCHEMA tenant; CREATE TABLE tenant.gone (id int)'
expect_exit 0 pgtide schema apply "$T/model.sql" --schema tenant --accept-data-loss
expect_exit 0 pgtide schema diff --schema tenant "$PGTIDE_URL" "$T/model.sql"
expect_exit 0 pgtide schema apply "$T/empty.sql" --accept-data-loss
expect_exit 0 pgtide schema diff "$PGTIDE_URL" "$T/empty.sql"
check 'no scratch database is left' same "$(sql "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide%'")" 0
