#!/usr/bin/env bash
# The flight recorder: what each statement of a slow or failed step cost is in the shard's history; bookkeeping from
# before it is taken up, and nothing waits for that.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin facts
cluster_start one
project facts
rm "$PROJECT"/versions/*
only_of_slow() { # REVISION: on a busy machine any step may be slow
    sql "SELECT bool_and(facts IS NULL OR EXISTS (SELECT FROM jsonb_array_elements(facts) f WHERE (f ->> 'duration_ms')::int >= 20)) FROM pgtide.history WHERE revision = '$1'"
}
fact() { # REVISION INDEX FIELD
    sql "SELECT facts -> $2 ->> '$3' FROM pgtide.history WHERE revision = '$1' ORDER BY seq DESC LIMIT 1"
}

# --- in a transaction
database one facts
revision 001_quick '' 'CREATE TABLE a (id int PRIMARY KEY, b int);' 'DROP TABLE a;'
revision 002_slow 001_quick 'CREATE ROLE facts_writer;
GRANT INSERT, SELECT ON a TO facts_writer;
SET ROLE facts_writer;
COPY a FROM STDIN WITH (FORMAT csv);
1,1
2,2
\.
INSERT INTO a SELECT g, g FROM generate_series(3, 20000) g;
SELECT pg_sleep(0.05);' 'DELETE FROM a; REVOKE ALL ON a FROM facts_writer; DROP ROLE facts_writer;' 'SELECT count(*) = 20000 FROM a;'
expect_exit 0 pgtide upgrade
check 'a quick step has none' same "$(only_of_slow 001_quick)" t
check 'a slow one has all of its statements' same "$(sql "SELECT jsonb_array_length(facts) FROM pgtide.history WHERE revision = '002_slow'")" 6
check 'what they are' same "$(fact 002_slow 4 what)" 'INSERT INTO a SELECT g, g FROM generate_series(3, 20000) g'
check 'where they are' same "$(fact 002_slow 5 line)" "$(grep -n pg_sleep "$PROJECT/versions/002_slow.sql" | cut -d: -f1)"
check 'their rows' same "$(fact 002_slow 3 rows)|$(fact 002_slow 4 rows)" '2|19998'
check 'their time' test "$(fact 002_slow 5 duration_ms)" -ge 50
check 'what they wrote' test "$(fact 002_slow 4 wal_bytes)" -ge 1000000
check 'a sleep writes less than rows do' test "$(fact 002_slow 5 wal_bytes)" -lt "$(fact 002_slow 4 wal_bytes)"

# --- several in one transaction: each row has its own
revision 003_one 002_slow "SELECT pg_sleep(0.03);" 'SELECT 1;'
revision 004_two 003_one "SELECT 1;" 'SELECT 1;'
revision 005_three 004_two "SELECT 1; SELECT pg_sleep(0.03), 'three';" 'SELECT 1;'
expect_exit 0 pgtide upgrade --single-transaction
check 'the first' same "$(sql "SELECT jsonb_array_length(facts) FROM pgtide.history WHERE revision = '003_one'")" 1
check 'the second was quick' same "$(only_of_slow 004_two)" t
check 'the third' same "$(fact 005_three 1 what)" 'SELECT pg_sleep(0.03), ...'

# --- thousands of statements are measured together
{
    printf -- '-- revision: 006_many\n-- revises: 005_three\n-- message: many\n\n-- +upgrade\nDELETE FROM a;\n'
    printf 'INSERT INTO a VALUES (%d, 1);\n' $(seq 1 2499)
    printf 'SELECT pg_sleep(0.03);\n-- +downgrade\nSELECT 1;\n'
} >"$PROJECT/versions/006_many.sql"
expect_exit 0 pgtide upgrade
check 'not one by one' same "$(sql "SELECT jsonb_array_length(facts) BETWEEN 2 AND 50 FROM pgtide.history WHERE revision = '006_many'")" t
check 'the longest are kept' same "$(sql "SELECT max((f ->> 'duration_ms')::int) >= 30 FROM pgtide.history h, jsonb_array_elements(facts) f WHERE revision = '006_many'")" t

# --- a failure keeps what led to it, and no literal of it
revision 007_fails 006_many "SELECT pg_sleep(0.03);
INSERT INTO a VALUES (99999, 1);
CREATE ROLE facts_other PASSWORD 'geheim' IN ROLE nobody_there;
SELECT 1;" 'SELECT 1;'
expect_exit 1 pgtide upgrade
check 'up to the one that failed' same "$(sql "SELECT jsonb_array_length(facts) FROM pgtide.history WHERE revision = '007_fails'")" 3
check 'which is said' same "$(fact 007_fails 2 failed)|$(fact 007_fails 2 what)|$(fact 007_fails 1 failed)" 'true|CREATE ROLE facts_other PASSWORD ...|'
check 'with its line' same "$(fact 007_fails 2 line)" "$(grep -n geheim "$PROJECT/versions/007_fails.sql" | cut -d: -f1)"
check 'the others cost what they cost' test "$(fact 007_fails 0 duration_ms)" -ge 30
check 'no secrets' same "$(sql "SELECT count(*) FROM pgtide.history WHERE facts::text LIKE '%geheim%'")" 0

# --- outside a transaction
revision 007_fails 006_many "SELECT 1;" 'SELECT 1;'
cat >"$PROJECT/versions/008_units.sql" <<'SQL'
-- revision: 008_units
-- revises: 007_fails
-- transaction: none
-- message: units

-- +upgrade
INSERT INTO a SELECT g, g FROM generate_series(10001, 30000) g;
CREATE INDEX CONCURRENTLY a_b ON a (b);
BEGIN;
UPDATE a SET b = 0 WHERE id > 29990;
SELECT pg_sleep(0.03);
COMMIT;

-- +downgrade
DROP INDEX CONCURRENTLY a_b;
SQL
expect_exit 0 pgtide upgrade
check 'each statement of each unit' same "$(sql "SELECT string_agg(f ->> 'what', '; ' ORDER BY n) FROM pgtide.history h, jsonb_array_elements(facts) WITH ORDINALITY j (f, n) WHERE revision = '008_units'")" \
    'INSERT INTO a SELECT g, g FROM generate_series(10001, 30000)...; CREATE INDEX CONCURRENTLY a_b; UPDATE a SET b = 0 WHERE id > 29990; SELECT pg_sleep(0.03)'
check 'their rows' same "$(fact 008_units 0 rows)|$(fact 008_units 2 rows)" '20000|10'
check 'an index is written' test "$(fact 008_units 1 wal_bytes)" -ge 100000

# --- an author who throws prepared statements away, ours among them
revision 009_deallocates 008_units "DO \$\$ BEGIN EXECUTE 'DEALLOCATE ALL'; END \$\$;
SELECT pg_sleep(0.03);" 'SELECT 1;'
expect_exit 0 pgtide upgrade
check 'each once' same "$(sql "SELECT jsonb_array_length(facts) FROM pgtide.history WHERE revision = '009_deallocates'")" 2

# --- a wait for a lock is the statement's that waited
mkfifo "$T/holder"
cluster_psql one facts <"$T/holder" >/dev/null &
holder=$!
PIDS+=("$holder")
exec 8>"$T/holder"
echo 'BEGIN; LOCK TABLE a;' >&8
a_is_locked() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = 'a'::regclass AND mode = 'AccessExclusiveLock' AND granted")" = 1 ]; }
wait_for 10 'the table to be locked' a_is_locked
revision 009_waits 009_deallocates 'SELECT 1;
ALTER TABLE a ADD COLUMN c int;
SELECT 2;' 'SELECT 1;'
pgtide upgrade --lock-timeout 60s >"$T/run.out" 2>&1 &
run=$!
PIDS+=("$run")
it_is_seen() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide watch%' AND state_change - backend_start > interval '0.5 s'")" -ge 1 ]; }
wait_for 20 'the wait to be looked at a few times' it_is_seen
echo 'COMMIT;' >&8
wait "$run"
echo '\q' >&8
exec 8>&-
wait "$holder"
check 'it was seen' test "$(fact 009_waits 1 lock_wait_ms)" -ge 100
check 'and is no longer than the statement' test "$(fact 009_waits 1 lock_wait_ms)" -le "$(fact 009_waits 1 duration_ms)"
check 'the others did not wait' same "$(fact 009_waits 0 lock_wait_ms) $(fact 009_waits 2 lock_wait_ms)" '0 0'

# --- bookkeeping of format 1
old() { sql 'ALTER TABLE pgtide.history DROP COLUMN facts; UPDATE pgtide.meta SET format = 1'; }
format() { sql 'SELECT max(format) FROM pgtide.meta'; }
old
expect_exit 0 pgtide current --verbose
expect_exit 0 pgtide upgrade --dry-run
check 'reading changes nothing' same "$(format)" 1
revision 010_slow 009_waits 'SELECT pg_sleep(0.03);' 'SELECT 1;'
expect_exit 0 pgtide upgrade --dry-run
check 'nor does a dry run' same "$(format)" 1
expect_exit 0 pgtide upgrade
check 'a claim takes it up' same "$(format)|$(fact 010_slow 0 what)" '2|SELECT pg_sleep(0.03)'

old
mkfifo "$T/reader"
cluster_psql one facts <"$T/reader" >/dev/null &
reader=$!
PIDS+=("$reader")
exec 8>"$T/reader"
echo 'BEGIN; SELECT count(*) FROM pgtide.history;' >&8
history_is_read() { [ "$(sql "SELECT count(*) > 0 FROM pg_locks WHERE relation = 'pgtide.history'::regclass AND pid <> pg_backend_pid()")" = t ]; }
wait_for 10 'the history to be read' history_is_read
revision 011_slow 010_slow 'SELECT pg_sleep(0.03);' 'SELECT 1;'
expect_exit 0 pgtide upgrade
check 'what is in the way is not waited for' same "$(format)|$(rows)" '1|011_slow'
echo '\q' >&8
exec 8>&-
wait "$reader"
revision 012_fails 011_slow 'SELECT pg_sleep(0.03); SELECT 1/0;' 'SELECT 1;'
expect_exit 1 pgtide upgrade
check 'the next claim does' same "$(format)|$(fact 012_fails 1 failed)" '2|true'

# --- two claims at once
old
cluster_psql one facts -c 'CREATE SCHEMA t1' -c 'CREATE SCHEMA t2'
revision 012_fails 011_slow 'SELECT pg_sleep(0.03);' 'SELECT 1;'
pgtide upgrade --schema t1 001_quick >"$T/one.out" 2>&1 &
one=$!
pgtide upgrade --schema t2 001_quick >"$T/two.out" 2>&1 &
two=$!
wait "$one"
wait "$two"
check 'both' same "$(format)|$(sql "SELECT string_agg(schema_name, ' ' ORDER BY schema_name) FROM pgtide.history WHERE revision = '001_quick' AND schema_name <> ''")" '2|t1 t2'

# --- a newer one is refused
sql 'UPDATE pgtide.meta SET format = 3'
expect_exit 5 pgtide upgrade
check 'by its number' contains "$(cat "$T/err")" 'format 3, this pgtide knows 1 to 2'
