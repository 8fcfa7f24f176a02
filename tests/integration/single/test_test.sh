#!/usr/bin/env bash
# `pgtide test`: what it finds in revisions, safe statements and repeatables, and what it leaves behind (nothing).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin test
cluster_start one
database one mine
sql 'CREATE TABLE untouched (id int)'

no_scratch_left() { same "$(cluster_psql one postgres -c "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide_scratch%'")" 0; }
fresh() { # NAME: an empty project
    PROJECT=$T/$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions" "$PROJECT/safe"
    printf 'versions: versions\nsafe: safe\n' >"$PGTIDE_CONFIG"
}
failures() { grep -c '^FAILED' "$T/out" || true; }

# --- a project in order: nothing fails, nothing is left, nothing else is touched
PGTIDE_CONFIG=$ROOT/migrations/example/pgtide.yaml expect_exit 0 pgtide test
check 'all passed' contains "$(cat "$T/out")" '0 failed, 0 not tried'
check 'the database of the url is left alone' same "$(sql "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace OR relname = 'alembic_version'")" untouched
check 'no scratch database is left' no_scratch_left

# --- what downgrades leave behind, or do not bring back
fresh broken
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY, x text, y text);' 'DROP TABLE a;'
revision 002_left 001_a 'ALTER TABLE a ADD COLUMN z int; CREATE INDEX a_x ON a (x);' 'ALTER TABLE a DROP COLUMN z;'
revision 003_lost 002_left 'ALTER TABLE a ALTER COLUMN y SET DEFAULT 1;' 'ALTER TABLE a ALTER COLUMN y DROP DEFAULT; DROP INDEX a_x;'
revision 004_order 003_lost 'ALTER TABLE a DROP COLUMN x;' 'ALTER TABLE a ADD COLUMN x text; CREATE INDEX a_x ON a (x);'
revision 005_fails 004_order 'CREATE TABLE b (id int);' 'DROP TABLE c;'
revision 006_grant 005_fails 'GRANT SELECT ON b TO PUBLIC;' 'SELECT 1;'
revision 007_other 006_grant 'CREATE TABLE IF NOT EXISTS d AS SELECT 1 AS n;' 'DROP TABLE d; CREATE TABLE e AS SELECT 1; DROP TABLE e;'
revision 008_only_once 007_other 'INSERT INTO a (id) VALUES (-1);' 'SELECT 1;'
expect_exit 1 pgtide test -v
check 'five are found' same "$(failures)" 5
check 'what is left is shown' contains "$(cat "$T/out")" '+  index CREATE INDEX a_x ON public.a USING btree (x)'
check 'by name' contains "$(cat "$T/out")" 'FAILED 002_left: its downgrade does not lead back'
check 'and file' contains "$(cat "$T/out")" "$PROJECT/versions/002_left.sql"
check 'what is lost is shown' contains "$(cat "$T/out")" '-  index CREATE INDEX a_x ON public.a USING btree (x)'
check 'the order of columns is told apart' contains "$(cat "$T/out")" 'passed 004_order'
check 'as what it is' contains "$(cat "$T/out")" 'column order only'
check 'a downgrade that fails has its line' contains "$(cat "$T/out")" "005_fails.sql:$(grep -n 'DROP TABLE c' "$PROJECT/versions/005_fails.sql" | cut -d: -f1)"
check 'privileges count' contains "$(cat "$T/out")" 'FAILED 006_grant'
check 'the walk went on' contains "$(cat "$T/out")" 'passed 007_other'
check 'what can not be done twice' contains "$(cat "$T/out")" 'FAILED 008_only_once: its second upgrade fails'
check 'no scratch database is left after failures' no_scratch_left
expect_exit 1 pgtide test --json
check 'JSON counts them' contains "$(cat "$T/out")" '"failed":5'
check 'JSON has the verdict' contains "$(cat "$T/out")" '"revision":"004_order"'
expect_exit 0 pgtide test 001_a
check 'only up to the target' contains "$(cat "$T/out")" '1 passed, 0 irreversible, 0 failed'
expect_exit 2 pgtide test nosuch

# --- rows: what fails on the first row in production fails here
fresh rows
revision 001_a '' "CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE TABLE parent (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), m mood NOT NULL, p percent NOT NULL,
    code char(2) UNIQUE NOT NULL, status text NOT NULL CHECK (status IN ('on', 'off')), n numeric(2,2) NOT NULL);
CREATE TABLE a_child (id bigint GENERATED ALWAYS AS IDENTITY, parent uuid NOT NULL REFERENCES parent, mail text NOT NULL
    CHECK (mail ~ '^[^@]+@example'));" 'DROP TABLE a_child, parent; DROP DOMAIN percent; DROP TYPE mood;'
revision 002_required 001_a 'ALTER TABLE parent ADD COLUMN b int NOT NULL;' 'ALTER TABLE parent DROP COLUMN b;'
expect_exit 1 pgtide test -v
check 'NOT NULL without default' contains "$(cat "$T/out")" 'FAILED 002_required: its upgrade fails'
check 'with what the server says' contains "$(cat "$T/out")" '23502'
check 'a table that can not be filled is named' contains "$(cat "$T/out")" 'a_child: new row'
revision 002_required 001_a 'ALTER TABLE parent DROP COLUMN n;' 'ALTER TABLE parent ADD COLUMN n numeric(2,2) NOT NULL;'
expect_exit 1 pgtide test
check 'in downgrades too' contains "$(cat "$T/out")" 'FAILED 002_required: its downgrade fails'
# what generated rows can't know is no failure
revision 002_required 001_a "ALTER TABLE parent ADD CHECK (code ~ '^[A-Z]{2}\$');" 'ALTER TABLE parent DROP CONSTRAINT parent_code_check;'
expect_exit 0 pgtide test -v
check 'and is said' contains "$(cat "$T/out")" 'tried without rows'

# --- irreversible ones, branches and merges, dependencies, and what needs no transaction
fresh branches
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY);' 'DROP TABLE a;'
revision 002_left 001_a 'CREATE TABLE l (id int);' 'DROP TABLE l;'
revision 002_right 001_a 'CREATE TABLE r (id int);' 'DROP TABLE r;'
revision 003_merge '002_left, 002_right' 'CREATE VIEW v AS SELECT l.id FROM l JOIN r USING (id);' 'DROP VIEW v;'
cat >"$PROJECT/versions/004_forward.sql" <<'END'
-- revision: 004_forward
-- revises: 003_merge
-- irreversible: the rows are gone

-- +upgrade
DROP VIEW v;
END
cat >"$PROJECT/versions/005_concurrent.sql" <<'END'
-- revision: 005_concurrent
-- revises: 004_forward
-- transaction: none

-- +upgrade
CREATE INDEX CONCURRENTLY a_id ON a (id);

-- +downgrade
DROP INDEX CONCURRENTLY a_id;
END
revision 010_other '' 'CREATE TABLE o (id int);' 'DROP TABLE o;'
expect_exit 0 pgtide test
check 'all heads' contains "$(cat "$T/out")" '6 passed, 1 irreversible, 0 failed'
check 'named' contains "$(cat "$T/out")" 'irreversible: the rows are gone'

# --- safe statements: twice, and the second run changes nothing
fresh safe
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY, x int);' 'DROP TABLE a;'
printf 'ALTER TABLE a ADD COLUMN IF NOT EXISTS bio text;\nINSERT INTO a VALUES (-1) ON CONFLICT DO NOTHING;\n' >"$PROJECT/safe/010_good.sql"
expect_exit 0 pgtide test
check 'tried' contains "$(cat "$T/out")" '010_good.sql'
printf 'INSERT INTO a SELECT max(id) + 1 FROM a;\n' >"$PROJECT/safe/020_grows.sql"
printf '\nDO $$ BEGIN ALTER TABLE a ADD COLUMN twice int; END $$;\n' >"$PROJECT/safe/030_fails.sql"
expect_exit 1 pgtide test
check 'rows that grow' contains "$(cat "$T/out")" '020_grows.sql: its second run changes something'
check 'are shown' contains "$(cat "$T/out")" 'rows of public.a'
check 'a second run that fails' contains "$(cat "$T/out")" '030_fails.sql: its second run fails'
check 'with its line' contains "$(cat "$T/out")" '030_fails.sql:2'
rm "$PROJECT"/safe/0[23]*
printf 'DROP TABLE a;\n' >"$PROJECT/safe/040_unsafe.sql"
expect_exit 2 pgtide test
check 'what is not idempotent is refused by line' contains "$(cat "$T/err")" '040_unsafe.sql:1'
printf 'ALTER TABLE a DROP COLUMN IF EXISTS bio;\n' >"$PROJECT/safe/040_unsafe.sql"
expect_exit 1 pgtide test
check 'files that undo each other' contains "$(cat "$T/out")" 'it would be run again at each start'
rm "$PROJECT/safe/040_unsafe.sql"
cat >"$PROJECT/versions/R_view.sql" <<'END'
-- repeatable: view

-- +upgrade
CREATE OR REPLACE VIEW v AS SELECT id FROM a;
END
expect_exit 0 pgtide test
check 'repeatables too' contains "$(cat "$T/out")" 'passed R:view'
sed -i 's/OR REPLACE //' "$PROJECT/versions/R_view.sql"
expect_exit 1 pgtide test
check 'one that runs once only' contains "$(cat "$T/out")" "FAILED R:view: it can't be run on its own result"

# --- placeholders, +verify
fresh values
cat >"$PROJECT/versions/001_a.sql" <<'END'
-- revision: 001_a
-- placeholders: name

-- +upgrade
CREATE TABLE :"name" (id int);

-- +downgrade
DROP TABLE :"name";

-- +verify
SELECT count(*) = 0 FROM :"name";
END
expect_exit 2 pgtide test
expect_exit 0 pgtide test -x name=things
sed -i 's/= 0/= 7/' "$PROJECT/versions/001_a.sql"
expect_exit 1 pgtide test -x name=things
check '+verify counts' contains "$(cat "$T/out")" '+verify'

# --- --keep, interruption, servers that can't be had
fresh kept
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY);' 'DROP TABLE a;'
expect_exit 0 pgtide test --keep --json
name=$(grep -o 'pgtide_scratch_[0-9a-z_]*' "$T/out" | head -n 1)
check 'kept' same "$(cluster_psql one "$name" -c 'SELECT version_num FROM alembic_version')" 001_a
check 'said' contains "$(cat "$T/err")" "$name"
cluster_psql one postgres -c "DROP DATABASE $name"
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY); SELECT pg_sleep(600);' 'DROP TABLE a;'
"$BIN/pgtide" test >"$T/stopped.out" 2>"$T/stopped.err" &
stopped=$!
PIDS+=("$stopped")
sleeps() { [ "$(cluster_psql one postgres -c "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" = 1 ]; }
wait_for 20 'the step to sleep' sleeps
kill -TERM "$stopped"
status=0
wait "$stopped" || status=$?
check 'stopped by a signal' same "$status" 143
check 'no scratch database is left after a signal' no_scratch_left
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY);' 'DROP TABLE a;'
cluster_psql one postgres -c 'CREATE ROLE plain LOGIN'
PGTIDE_URL=$(cluster_url one mine | sed s/postgres@/plain@/) expect_exit 1 pgtide test
check 'needs CREATEDB' contains "$(cat "$T/err")" 'CREATEDB'
PGTIDE_URL="postgresql://postgres@/x?host=$T/nowhere" expect_exit 6 pgtide test
expect_exit 0 pgtide test --url "postgresql://postgres@/nosuch?host=$T/nowhere" --scratch-url "$PGTIDE_URL"
unset PGTIDE_URL
if [ "$(id -u)" -eq 0 ]; then
    expect_exit 2 pgtide test
    check 'root is told what to do' contains "$(cat "$T/err")" '--scratch-url'
fi
as_pg env TMPDIR="$T/one" "$BIN/pgtide" test --config "$PGTIDE_CONFIG" >"$T/out" 2>"$T/err" || { cat "$T/out" "$T/err"; false; }
check 'a temporary server' contains "$(cat "$T/out")" '1 passed'
check 'which is gone' same "$(ls "$T/one")" "data
log
socket"
