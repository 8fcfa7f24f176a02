#!/usr/bin/env bash
# Several steps in one transaction: all of them or none, each recorded, each as it would be alone; a rehearsal leaves
# nothing. Repeatables as steps, what the history says is applied, statements that are no step, and what the server says
# meanwhile.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin steps-together
cluster_start one
project small
V=$PROJECT/versions
probe() { "$BIN/pgtide_shard_probe" "$PGTIDE_URL" "$@"; }
says() { check "$1" contains "$(cat "$T/out")" "$2"; }
outcomes() { sql "SELECT string_agg(direction || ':' || coalesce(revision, '') || ':' || outcome, ' ' ORDER BY seq) FROM pgtide.history WHERE direction <> 'adopt'"; }
tables() { sql "SELECT coalesce(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"; }

revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;' 'SELECT count(*) = 0 FROM second;'
ALL=$V/001_first.sql,$V/002_wait.sql,$V/003_last.sql

# --- a rehearsal runs everything and leaves nothing, not even a trace of itself
database one together
expect_exit 0 probe claim 0 0 rehearse "$ALL"
says 'would have been committed' 'steps: 3 done, nothing committed at base'
check 'nothing is there' same "$(tables)|$(rows)|$(outcomes)" '||'

# --- all of them, in one transaction
expect_exit 0 probe claim 0 0 together "$ALL"
says 'all three' 'steps: 3 done at 003_last'
check 'each with its tables and its row' same "$(tables)|$(rows)|$(outcomes)" \
    'first second third|003_last|upgrade:001_first:succeeded upgrade:002_wait:succeeded upgrade:003_last:succeeded'
check 'each from where the one before ended' same \
    "$(sql "SELECT string_agg(rows_before::text || rows_after::text, ' ' ORDER BY seq) FROM pgtide.history WHERE direction = 'upgrade'")" \
    '{}{001_first} {001_first}{002_wait} {002_wait}{003_last}'
check 'in one transaction' same "$(sql "SELECT count(DISTINCT started) FROM pgtide.history WHERE direction = 'upgrade'")" 1
check 'the row has the last operation' same "$(sql "SELECT s.last_operation = h.operation FROM pgtide.shard s, pgtide.history h WHERE h.revision = '003_last'")" t

# --- one that fails takes the others with it, and is the one that is recorded
database one failing
revision 003_last 002_wait "CREATE TABLE third (id int);
SELECT 1/0;" 'DROP TABLE third;'
expect_exit 1 probe claim 0 0 rehearse "$ALL"
says 'a rehearsal fails as they would' 'steps: 2 done, nothing committed at base'
check 'and is not recorded' same "$(outcomes)" ''
expect_exit 1 probe claim 0 0 together "$ALL"
says 'which one failed' 'steps: 2 done, nothing committed, recorded at base'
says 'with file and line' 'steps: SQL 003_last.sql:7 division by zero'
check 'none is applied' same "$(tables)|$(rows)|$(outcomes)" '||upgrade:003_last:failed'
check 'recorded where the shard stands' same "$(sql "SELECT rows_before::text || rows_after::text FROM pgtide.history WHERE outcome = 'failed'")" '{}{}'
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;' 'SELECT false;'
expect_exit 1 probe claim 0 0 together "$ALL"
says 'a +verify section counts' 'steps: VERIFY 002_wait.sql'

# --- a new value of an enum can't be used in the transaction that adds it
database one enums
revision 001_first '' "CREATE TYPE mood AS ENUM ('fine');" 'DROP TYPE mood;'
revision 002_wait 001_first "ALTER TYPE mood ADD VALUE 'bad';" 'SELECT 1;'
revision 003_last 002_wait "CREATE TABLE third (m mood);
INSERT INTO third VALUES ('bad');" 'DROP TABLE third;'
expect_exit 0 probe claim 0 0 up "$V/001_first.sql"
expect_exit 1 probe claim 0 0 together "$V/002_wait.sql,$V/003_last.sql"
says "PostgreSQL's own words" 'unsafe use of new value "bad" of enum type mood'
says 'and what to do' 'in transactions of their own'
says 'and where' '003_last.sql:7'
expect_exit 0 probe claim 0 0 up "$V/002_wait.sql" up "$V/003_last.sql"
check 'one by one they do' same "$(rows)" 003_last

# --- a step finds what it would find alone: settings, deferred constraints, role
database one alone
sql "CREATE ROLE someone"
sql "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int, CONSTRAINT child_parent FOREIGN KEY (id) REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE seen (what text)"
revision 001_first '' "SET search_path = nowhere;
SET my.setting = 'left behind';
SET statement_timeout = '1h';
INSERT INTO public.child VALUES (1);
INSERT INTO public.parent VALUES (1);" 'SELECT 1;'
revision 002_wait 001_first "INSERT INTO child VALUES (2);
INSERT INTO parent VALUES (2);
INSERT INTO seen SELECT coalesce(current_setting('my.setting', true), '') || current_setting('search_path') || current_setting('statement_timeout') || current_user;
SET ROLE someone;" 'SELECT 1;'
revision 003_last 002_wait "INSERT INTO seen VALUES (current_user);
INSERT INTO child VALUES (3);" 'SELECT 1;'
expect_exit 1 probe claim 0 0 together "$ALL"
says 'what is put off is checked with its step' 'violates foreign key constraint "child_parent"'
says 'that of the third' 'steps: 2 done'
expect_exit 0 probe claim 0 0 together "$V/001_first.sql,$V/002_wait.sql"
check 'as alone' same "$(sql 'SELECT * FROM seen')" '"$user", public, pg_temp0postgres'

# --- what is refused, and when
database one refused
{
    printf -- '-- revision: 002_wait\n-- revises: 001_first\n-- transaction: none\n\n-- +upgrade\n'
    printf -- 'CREATE INDEX CONCURRENTLY i ON first (id);\n\n-- +downgrade\nDROP INDEX CONCURRENTLY i;\n'
} >"$V/002_wait.sql"
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
expect_exit 1 probe claim 0 0 together "$V/001_first.sql,$V/002_wait.sql"
says 'no transaction of its own, none to share' 'steps: SCRIPT 002_wait.sql:6'
check 'before anything ran' same "$(tables)|$(outcomes)" '|'
expect_exit 1 probe up "$V/001_first.sql"
says 'a step without a claim' 'has not been claimed in this session'

# --- repeatables: history and no version row, also where there is none
database one repeatables
cat >"$V/R_views.sql" <<'SQL'
-- repeatable: views

-- +upgrade
CREATE OR REPLACE VIEW v AS SELECT 1 AS one;
SQL
expect_exit 0 probe read
says 'nothing yet, not even a ledger' 'read: 0 rows, 0 applied'
expect_exit 0 probe claim 0 0 read up "$V/R_views.sql" read
says 'no rows move' 'step: 1 done at base'
says 'applied' 'applied: R:views t1:'
check 'in the history' same "$(outcomes)" 'upgrade:R:views:succeeded'
first=$(grep '^applied: R:views' "$T/out")
expect_exit 0 probe claim 0 0 up "$V/001_first.sql" read
says 'beside a revision' 'read: 1 rows, 2 applied'
sed -i 's/1 AS one/1 AS one, 2 AS two/' "$V/R_views.sql"
expect_exit 0 probe claim 0 0 up "$V/R_views.sql" read
check 'the newest text counts' [ "$(grep '^applied: R:views' "$T/out")" != "$first" ]
says 'once' 'read: 1 rows, 2 applied'
expect_exit 0 probe claim 0 0 down "$V/001_first.sql" read
says 'what was taken back is not applied' 'read: 0 rows, 1 applied'
expect_exit 0 probe claim 0 0 up "$V/001_first.sql" read
says 'and then again' 'read: 1 rows, 2 applied'
check 'the answer comes from the index' contains "$(sql "SET enable_seqscan = off; EXPLAIN SELECT DISTINCT ON (revision) revision FROM pgtide.history WHERE schema_name = '' ORDER BY revision, seq DESC")" 'Index Scan using history_schema'

# --- statements that are no step
database one hooks
cat >"$V/004_sql.sql" <<'SQL'
-- revision: 004_sql
-- irreversible: only its statements are used

-- +upgrade
SET my.setting = 'left behind';
CREATE TEMP TABLE t (id int);
DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$;
SELECT n, NULL, current_setting('search_path') FROM generate_series(1, 2) n;
SQL
expect_exit 0 probe sql "$V/004_sql.sql"
says 'the last answer' 'sql: 2 by 3 1 NULL "$user", public, pg_temp 2 NULL "$user", public, pg_temp'
says 'a notice' 'notice: NOTICE hello'
says 'a warning' 'notice: WARNING careful'
check 'neither goes anywhere else' same "$(cat "$T/err")" ''
check 'nothing of ours is made' same "$(sql "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgtide'")" 0
sed -i '/RAISE/d; s/^CREATE TEMP.*/SELECT 1;/; s/generate_series(1, 2)/generate_series(1, 1)/' "$V/004_sql.sql"
expect_exit 0 probe sql-read-only "$V/004_sql.sql" claim 0 0
says 'reading, then a claim on the same session' 'claim: base'
sed -i "s/^SELECT 1;/CREATE TABLE made (id int);/" "$V/004_sql.sql"
expect_exit 1 probe sql-read-only "$V/004_sql.sql"
says 'reading means reading' 'sql: SQL 004_sql.sql:6 cannot execute CREATE TABLE in a read-only transaction'
expect_exit 0 probe sql "$V/004_sql.sql"
expect_exit 1 probe sql "$V/004_sql.sql"
says 'one transaction' 'relation "made" already exists'
sql 'CREATE SCHEMA tenant'
expect_exit 0 probe schema tenant sql "$V/004_sql.sql"
says "a tenant's path" '"tenant", pg_temp'
check 'leads to its schema' same "$(sql "SELECT to_regclass('tenant.made') IS NOT NULL")" t
sed -i "s/^CREATE TABLE made (id int);/SELECT pg_sleep(600);/" "$V/004_sql.sql"
expect_exit 1 probe deadline 200 sql "$V/004_sql.sql"
says 'a deadline' 'sql: TIMEOUT'
expect_exit 1 probe cancel 200 sql "$V/004_sql.sql"
says 'an interruption' 'sql: INTERRUPTED'

# --- what the server says in a step reaches the one who asked
database one notices
revision 001_first '' "DROP TABLE IF EXISTS nothing;
CREATE TABLE first (id int PRIMARY KEY);" 'DROP TABLE first;'
expect_exit 0 probe claim 0 0 up "$V/001_first.sql"
says 'of the revision' 'notice: NOTICE table "nothing" does not exist, skipping'
check 'of the revision alone' same "$(grep -c '^notice' "$T/out")" 1
