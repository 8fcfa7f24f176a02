#!/usr/bin/env bash
# Repeatable files: run when every head is applied and they are new or changed, in the order of their names, as steps
# that leave the rows as they are.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin repeatable
cluster_start one
project small
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;'
repeatable() { # NAME SQL
    printf -- '-- repeatable: %s\n\n-- +upgrade\n%s\n' "$1" "$2" >"$PROJECT/versions/R_$1.sql"
}
repeatable views 'CREATE OR REPLACE VIEW all_first AS SELECT id FROM first;'
repeatable functions 'CREATE OR REPLACE FUNCTION answer() RETURNS int LANGUAGE sql AS $$ SELECT 42 $$;'
repeated() { sql "SELECT string_agg(revision, ' ' ORDER BY seq) FROM pgtide.history WHERE revision LIKE 'R:%' AND outcome = 'succeeded'"; }

database one plain
expect_exit 0 pgtide upgrade 002_wait
check 'not before every head is applied' same "$(repeated)" ''
expect_exit 0 pgtide current -v
check 'they are due' contains "$(cat "$T/out")" 'due: R:functions
due: R:views'
expect_exit 0 pgtide upgrade --dry-run
check 'tried with the rest' contains "$(cat "$T/out")" 'upgrade 003_last
upgrade R:functions
upgrade R:views
dry run: 3 steps would succeed and lead to 003_last'
check 'but not run' same "$(repeated)" ''
expect_exit 0 pgtide upgrade --json
check 'programs are told which they are' contains "$(cat "$T/out")" '"revision":"R:views","repeatable":true'
check 'in the order of their names' same "$(repeated)" 'R:functions R:views'
check 'rows are as they were' same "$(rows)|$(sql "SELECT rows_before = rows_after FROM pgtide.history WHERE revision = 'R:views'")" '003_last|t'
expect_exit 0 pgtide upgrade
check 'nothing changed, nothing to do' contains "$(cat "$T/out")" 'nothing to do: at 003_last'
expect_exit 0 pgtide current -v
check 'nothing is due' same "$(grep -c due "$T/out" || true)" 0

# --- a remark is no change, another body is
printf -- '\n-- only a remark\n' >>"$PROJECT/versions/R_functions.sql"
expect_exit 0 pgtide upgrade
check 'a remark' contains "$(cat "$T/out")" 'nothing to do'
repeatable functions 'CREATE OR REPLACE FUNCTION answer() RETURNS int LANGUAGE sql AS $$ SELECT 43 $$;'
expect_exit 0 pgtide upgrade
check 'says which' contains "$(cat "$T/out")" 'upgrade R:functions'
check 'only that one' same "$(repeated)|$(sql 'SELECT answer()')" 'R:functions R:views R:functions|43'

# --- one that fails: rolled back, recorded, tried again next time; those behind it wait
repeatable functions 'CREATE OR REPLACE FUNCTION answer() RETURNS int LANGUAGE sql AS $$ SELECT nowhere $$;'
repeatable views 'CREATE OR REPLACE VIEW all_first AS SELECT id, 1 AS one FROM first;'
expect_exit 1 pgtide upgrade
check 'where it stands' contains "$(cat "$T/err")" '0 of 2 steps done; the shard stands at 003_last'
check 'the file is named' contains "$(cat "$T/err")" 'R_functions.sql'
check 'as before' same "$(sql 'SELECT answer()')" 43
repeatable functions 'CREATE OR REPLACE FUNCTION answer() RETURNS int LANGUAGE sql AS $$ SELECT 44 $$;'
expect_exit 0 pgtide upgrade
check 'both now' same "$(repeated)|$(sql 'SELECT answer()')" 'R:functions R:views R:functions R:functions R:views|44'

# --- a downgrade leaves them alone; the next upgrade to head has nothing to repeat
expect_exit 0 pgtide downgrade 002_wait
check 'none was run' same "$(repeated)" 'R:functions R:views R:functions R:functions R:views'
expect_exit 0 pgtide upgrade
check 'unchanged, not repeated' same "$(repeated)" 'R:functions R:views R:functions R:functions R:views'

# --- a new one that somebody else runs while we wait is not run twice
repeatable zlast 'CREATE TABLE IF NOT EXISTS counted (n int); INSERT INTO counted VALUES (1); SELECT pg_advisory_xact_lock(42);'
hold_lock
"$BIN/pgtide" upgrade --lock-timeout 60s >"$T/first.out" 2>"$T/first.err" &
first=$!
PIDS+=("$first")
wait_for 10 'the first to reach its lock' step_waits
"$BIN/pgtide" upgrade --wait 60s >"$T/second.out" 2>"$T/second.err" &
second=$!
PIDS+=("$second")
wait_for 10 'the second to wait' sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd plain -c \"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide %' AND application_name NOT LIKE 'pgtide watch%'\") = 2 ]"
release_lock
wait "$first"
wait "$second"
check 'run once' same "$(sql 'SELECT count(*) FROM counted')" 1
check 'the second says so' contains "$(cat "$T/second.out")" 'nothing to do'

# --- in one transaction with the revisions
database one together
expect_exit 0 pgtide upgrade --single-transaction
check 'all of one transaction' same "$(sql "SELECT count(DISTINCT xmin::text), count(*) FROM pgtide.history WHERE direction = 'upgrade'")" '1|6'
