#!/usr/bin/env bash
# `pgtide why`: what took a database where it is, what has failed since, what is half done, by its own rows.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin why
cluster_start one
project why
rm "$PROJECT"/versions/*
database one shop
why() { expect_exit 0 pgtide why "$@" && cat "$T/out"; }

# --- never written to
check 'a database that pgtide never saw' contains "$(why)" 'pgtide has never written here'
sql 'CREATE TABLE alembic_version (version_num varchar(32) NOT NULL); INSERT INTO alembic_version VALUES ($$001_rows$$)'
check 'where it is' contains "$(why)" 'shop is at 001_rows'
check 'nothing was written' same "$(sql "SELECT to_regnamespace('pgtide')")" ''

# --- what took it there
revision 001_rows '' 'SELECT 1;' 'SELECT 1;'
revision 002_slow 001_rows 'CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT g FROM generate_series(1, 5000) g;
SELECT pg_sleep(0.1);' 'DROP TABLE t;'
expect_exit 0 pgtide upgrade
said=$(why)
check 'where it is' contains "$said" 'shop is at 002_slow'
check 'by which step' contains "$said" ': upgrade 002_slow'
longest=$(sql "SELECT format('line %s, %s', f ->> 'line', f ->> 'what') FROM pgtide.history, jsonb_array_elements(facts) f
    WHERE revision = '002_slow' ORDER BY (f ->> 'duration_ms')::int DESC, (f ->> 'line')::int LIMIT 1")
check 'its longest statement' contains "$said" "longest was $longest ("
check 'adopted' contains "$said" 'adopted at 001_rows by'
check 'newest first' test "$(grep -n 'upgrade 002_slow by' <<<"$said" | cut -d: -f1)" -lt "$(grep -n 'adopted at' <<<"$said" | cut -d: -f1)"

# --- what failed
revision 003_fails 002_slow "INSERT INTO t VALUES (6001);
INSERT INTO t VALUES (1);" 'SELECT 1;'
expect_exit 1 pgtide upgrade
expect_exit 1 pgtide upgrade
said=$(why)
check 'how often' contains "$said" 'since then 003_fails has failed 2 times, last'
check 'with its message' contains "$said" 'duplicate key value violates unique constraint "t_pkey" (23505)'
check 'and its line' contains "$said" 'it failed at line 7, INSERT INTO t VALUES (1)'
check 'it still is where it was' contains "$said" 'shop is at 002_slow'

# --- what is half done
cat >"$PROJECT/versions/003_fails.sql" <<'SQL'
-- revision: 003_fails
-- revises: 002_slow
-- transaction: none
-- message: units

-- +upgrade
INSERT INTO t VALUES (6002);
CREATE UNIQUE INDEX CONCURRENTLY t_one ON t ((1));

-- +downgrade
SELECT 1;
SQL
expect_exit 1 pgtide upgrade
said=$(why)
check 'which unit is done' contains "$said" 'half done: upgrade 003_fails, unit 1, INSERT INTO t VALUES (6002): done'
check 'which is not' contains "$said" 'unit 2, CREATE UNIQUE INDEX CONCURRENTLY t_one: begun, and nobody is at work on it'

# --- moved by others
expect_exit 0 pgtide stamp 001_rows
check 'a stamp' contains "$(why)" 'stamped from 002_slow to 001_rows by'
sql "UPDATE alembic_version SET version_num = '002_slow'"
check 'another tool' contains "$(why)" 'another tool has moved it since pgtide wrote here last'

# --- for programs, and many
expect_exit 0 pgtide why --json
/usr/bin/python3 - "$T/out" <<'PY'
import json, sys
record = json.load(open(sys.argv[1]))["result"]["record"]
assert record["rows"] == ["002_slow"], record["rows"]
failed = [e for e in record["history"] if e["outcome"] == "failed"]
assert failed[-1]["facts"][1]["failed"] and failed[-1]["facts"][1]["line"] == 7, failed
assert record["history"][0]["direction"] == "stamp", record["history"][0]
PY
check 'the record as JSON' true
cluster_psql one postgres -c 'CREATE DATABASE other'
printf 'a %s\nb %s\n' "$PGTIDE_URL" "$(cluster_url one other)" >"$T/urls"
expect_exit 0 pgtide why --urls "$T/urls"
check 'of many databases' contains "$(cat "$T/out")" 'other is at base'

# --- bookkeeping of format 1, and of a stranger
sql 'ALTER TABLE pgtide.history DROP COLUMN facts; UPDATE pgtide.meta SET format = 1'
check 'without facts' contains "$(why)" 'upgrade 002_slow by'
sql 'CREATE ROLE stranger'
sql 'GRANT INSERT ON pgtide.history TO stranger'
check 'what is not trusted is not read' contains "$(why)" 'pgtide will not write here: pgtide.history can be written by other roles'
