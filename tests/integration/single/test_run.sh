#!/usr/bin/env bash
# What a run can be told: --tag, -x, --single-transaction, --dry-run, --wait, --strict; what it says of files that were
# changed after they were applied, of rows that no file has, and of where a database stands.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin run
cluster_start one
project small
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;'

everything() { # all that pgtide or a revision could have left
    sql "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1"
    [ -z "$(sql "SELECT to_regclass('pgtide.shard')")" ] ||
        sql "SELECT fence, (SELECT count(*) FROM pgtide.history), (SELECT max(seq) FROM pgtide.history) FROM pgtide.shard"
    rows
}

# --- a dry run on a database that pgtide never saw leaves nothing behind
database one dry
expect_exit 0 pgtide upgrade --dry-run
check 'says where it would lead' contains "$(cat "$T/out")" 'lead to 003_last; nothing was changed'
check 'says what would be made' contains "$(cat "$T/err")" 'not adopted yet'
check 'nothing was made' same "$(everything)" ''
expect_exit 0 pgtide upgrade 001_first
before=$(everything)
expect_exit 0 pgtide upgrade --dry-run --json
check 'the steps tried' contains "$(cat "$T/out")" '"steps":[{"direction":"upgrade","revision":"002_wait","repeatable":false,"needed":true,"duration_ms":null},{"direction":"upgrade","revision":"003_last"'
check 'where it would lead' contains "$(cat "$T/out")" '"rows_after":["003_last"]'
check 'where it stands' contains "$(cat "$T/out")" '"rows":["001_first"]'
check 'nothing moved, not even the fence' same "$(everything)" "$before"
expect_exit 0 pgtide downgrade base --dry-run
check 'downgrades too' contains "$(cat "$T/out")" 'lead to base; nothing was changed'
check 'nothing moved' same "$(everything)" "$before"

# --- one that would fail says so, and where
revision 003_last 002_wait 'CREATE TABLE third (id int);
INSERT INTO nowhere VALUES (1);' 'DROP TABLE third;'
expect_exit 1 pgtide upgrade --dry-run
check 'says that it would' contains "$(cat "$T/err")" 'dry run: it would fail'
check 'and where' contains "$(cat "$T/err")" '003_last.sql:7'
check 'nothing moved, no failure is recorded' same "$(everything)" "$before"

# --- what can't be rolled back is not tried, nor what builds on it
cat >"$PROJECT/versions/003_last.sql" <<'SQL'
-- revision: 003_last
-- revises: 002_wait
-- transaction: none
-- +upgrade
CREATE INDEX CONCURRENTLY second_id ON second (id);
-- +downgrade
DROP INDEX CONCURRENTLY second_id;
SQL
revision 004_more 003_last 'CREATE TABLE fourth (id int);' 'DROP TABLE fourth;'
expect_exit 0 pgtide upgrade --dry-run
check 'one step was tried' contains "$(cat "$T/out")" '1 step would succeed and lead to 002_wait'
check 'the others are named' contains "$(cat "$T/err")" 'not tried: 003_last, 004_more'
check 'nothing moved' same "$(everything)" "$before"
expect_exit 2 pgtide upgrade --single-transaction
check 'names the revision' contains "$(cat "$T/err")" '003_last is `transaction: none`'
check 'nothing moved' same "$(everything)" "$before"

# --- all steps in one transaction
rm "$PROJECT/versions/004_more.sql"
revision 003_last 002_wait 'CREATE TABLE third (id int);
INSERT INTO nowhere VALUES (1);' 'DROP TABLE third;'
expect_exit 1 pgtide upgrade --single-transaction
check 'says that nothing stays' contains "$(cat "$T/err")" '0 of 2 steps done; the shard stands at 001_first'
check 'nothing stays' same "$(rows)|$(sql "SELECT to_regclass('second')")" '001_first|'
revision 003_last 002_wait 'CREATE TABLE third (id int);' 'DROP TABLE third;'
expect_exit 0 pgtide upgrade --single-transaction --tag 'release 7'
check 'says so' contains "$(cat "$T/out")" 'at 003_last (2 steps in one transaction'
check 'the tag is kept with each step' same "$(sql "SELECT string_agg(revision, ' ' ORDER BY seq) FROM pgtide.history WHERE message = 'release 7'")" '002_wait 003_last'
check 'both are of one transaction' same "$(sql "SELECT count(DISTINCT xmin::text) FROM pgtide.history WHERE message = 'release 7'")" 1
expect_exit 0 pgtide downgrade base --single-transaction
check 'back at once' same "$(rows)" ''
expect_exit 2 pgtide upgrade --tag ''

# --- nothing to do writes nothing
expect_exit 0 pgtide upgrade
before=$(everything)
expect_exit 0 pgtide upgrade
check 'says so' contains "$(cat "$T/out")" 'nothing to do: at 003_last'
check 'not even the fence' same "$(everything)" "$before"

# --- files that were changed after they were applied
printf -- '-- a remark\n' >>"$PROJECT/versions/001_first.sql"
expect_exit 0 pgtide upgrade --strict
check 'remarks are no change' same "$(cat "$T/err")" ''
revision 001_first '' 'CREATE TABLE first (id bigint PRIMARY KEY);' 'DROP TABLE first;'
revision 004_more 003_last 'CREATE TABLE fourth (id int);' 'DROP TABLE fourth;'
expect_exit 3 pgtide upgrade --strict
check 'names revision and file' contains "$(cat "$T/err")" "changed after it was applied: 001_first ($PROJECT/versions/001_first.sql)"
check 'nothing moved' same "$(everything)" "$before"
expect_exit 0 pgtide upgrade
check 'a warning without --strict' contains "$(cat "$T/err")" 'changed after it was applied: 001_first'
expect_exit 0 pgtide current -v
check 'current -v lists it' contains "$(cat "$T/out")" 'changed after it was applied: 001_first'
expect_exit 0 pgtide current --json
check 'so does --json' contains "$(cat "$T/out")" '"changed":[{"revision":"001_first"'
sql "UPDATE pgtide.history SET token_digest = 't9:00' WHERE revision = '001_first' AND direction = 'upgrade'"
expect_exit 0 pgtide downgrade 003_last --strict
check 'an unknown kind of digest is no difference' contains "$(cat "$T/err")" "can't compare with what was applied: 001_first"
expect_exit 0 pgtide upgrade

# --- where it stands
expect_exit 0 pgtide current --check-heads
check 'the head is marked' same "$(cat "$T/out")" '004_more (head)'
expect_exit 0 pgtide downgrade 003_last
expect_exit 3 pgtide current --check-heads
check 'says which head is missing' contains "$(cat "$T/err")" 'heads: 004_more'
expect_exit 3 pgtide current --check-heads --json
check 'and for programs' contains "$(cat "$T/out")" '"at_heads":false'

# --- a row that no file has: writes stop, reading works
sql "UPDATE alembic_version SET version_num = '099_elsewhere'"
before=$(everything)
for wrong in upgrade 'downgrade base' 'stamp 003_last' 'upgrade --dry-run'; do
    # shellcheck disable=SC2086
    expect_exit 2 pgtide $wrong
    check "'$wrong' names the row" contains "$(cat "$T/err")" '099_elsewhere'
    check "'$wrong' says what helps" contains "$(cat "$T/err")" 'stamp --purge'
done
check 'nothing was written' same "$(everything)" "$before"
expect_exit 0 pgtide current
check 'current marks it' same "$(cat "$T/out")" '099_elsewhere (unknown)'
expect_exit 3 pgtide current --check-heads
expect_exit 0 pgtide stamp --purge 003_last
check 'purged' same "$(rows)" 003_last

# --- marks as Alembic's: a merge, a branch point, and a head that another revision depends on
project marks
revision 002_wait 001_first 'SELECT 1;' 'SELECT 1;'
revision 003_last 001_first 'SELECT 1;' 'SELECT 1;'
printf -- '-- revision: 004_merge\n-- revises: 002_wait, 003_last\n-- +upgrade\n-- +downgrade\n' >"$PROJECT/versions/004_merge.sql"
printf -- '-- revision: b01\n-- depends-on: 004_merge\n-- +upgrade\n-- +downgrade\n' >"$PROJECT/versions/b01.sql"
database one marks
expect_exit 0 pgtide upgrade 001_first
expect_exit 0 pgtide current
check 'a branch point' same "$(cat "$T/out")" '001_first (branchpoint)'
expect_exit 0 pgtide upgrade heads
expect_exit 0 pgtide current
check 'an effective head has no row, and is shown' same "$(cat "$T/out")|$(rows)" '004_merge (effective head) (mergepoint)
b01 (head)|b01'

# --- placeholders
project values
rm "$PROJECT/versions/003_last.sql"
cat >"$PROJECT/versions/002_wait.sql" <<'SQL'
-- revision: 002_wait
-- revises: 001_first
-- placeholders: owner, limit=10
-- +upgrade
COMMENT ON TABLE first IS :'owner';
ALTER TABLE first ADD COLUMN n int DEFAULT :limit;
-- +downgrade
ALTER TABLE first DROP COLUMN n;
SQL
database one values
expect_exit 2 pgtide upgrade
check 'names the placeholder' contains "$(cat "$T/err")" 'owner'
check 'before anything was written' same "$(everything)" ''
expect_exit 0 pgtide upgrade -x "owner=it's ours" -x nobody=1
check 'the value is there' same "$(sql "SELECT obj_description('first'::regclass)")" "it's ours"
check 'and the default' same "$(sql "SELECT column_default FROM information_schema.columns WHERE column_name = 'n'")" 10
check 'an unknown name is said' contains "$(cat "$T/err")" 'no file declares a placeholder nobody'
expect_exit 0 pgtide upgrade --strict
expect_exit 2 pgtide downgrade base -x nothing

# --- notices are seen with their revision, unless --quiet
project notices
revision 002_wait 001_first "DO \$\$ BEGIN RAISE NOTICE 'one at %', 1; RAISE WARNING E'two\\\\x1b[2J'; END \$\$;" 'SELECT 1;'
rm "$PROJECT/versions/003_last.sql"
database one notices
expect_exit 0 pgtide upgrade
check 'a notice' contains "$(cat "$T/err")" 'upgrade 002_wait: NOTICE: one at 1'
check 'a warning' contains "$(cat "$T/err")" 'upgrade 002_wait: WARNING: two'
expect_exit 0 pgtide downgrade 001_first
expect_exit 0 pgtide upgrade --quiet
check 'quiet' same "$(cat "$T/out" "$T/err")" ''

# --- two runs at once: the second waits, looks again, and has nothing to do
project small2
database one twice
expect_exit 0 pgtide upgrade 001_first
hold_lock
"$BIN/pgtide" upgrade 002_wait --lock-timeout 60s >"$T/first.out" 2>"$T/first.err" &
first=$!
PIDS+=("$first")
wait_for 10 'the first to reach its lock' step_waits
expect_exit 6 pgtide upgrade 002_wait --wait 0
check 'says who is at work' contains "$(cat "$T/err")" "pgtide $(id -un)@"
check 'and its process' contains "$(cat "$T/err")" "$first"
"$BIN/pgtide" upgrade 002_wait --wait 60s >"$T/second.out" 2>"$T/second.err" &
second=$!
PIDS+=("$second")
wait_for 10 'the second to wait' sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd twice -c \"SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide %' AND application_name NOT LIKE 'pgtide watch%'\") = 2 ]"
release_lock
wait "$first"
wait "$second"
check 'the second found it done' contains "$(cat "$T/second.out")" 'nothing to do: at 002_wait'
check 'once' same "$(sql "SELECT count(*) FROM pgtide.history WHERE revision = '002_wait'")" 1

# --- wrong use
expect_exit 2 pgtide upgrade --jobs 4
check 'says what it goes with' contains "$(cat "$T/err")" '--urls'
expect_exit 2 pgtide upgrade --wait tomorrow
expect_exit 2 pgtide upgrade --wait 25h
expect_exit 2 pgtide upgrade --lock-timeout 0
expect_exit 2 pgtide current --unmanaged x
