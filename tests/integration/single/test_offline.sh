#!/usr/bin/env bash
# Scripts that --sql prints, run by psql, against the same commands run online on a second database: schema, data,
# version rows and history are the same.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin offline
cluster_start one

dump() { as_pg "$PG_BIN/pg_dump" -h "$T/one/socket" -p "$(cluster_port one)" -U postgres "$@" 2>/dev/null; }

# Everything in a database but times, ids, what names the database, and the fence: a script takes it also where a run
# reads that there is nothing to do.
content() {
    dump --schema-only "$1" | grep -vE '^(--|.(un)?restrict )'
    dump --data-only --exclude-table-data='pgtide.*' "$1" | grep -vE '^(--|.(un)?restrict )'
    cluster_psql one "$1" -c "SELECT seq, schema_name, rollout, generation, attempt, revision, direction, rows_before, rows_after, encode(source_sha256, 'hex'), token_digest, who, outcome, sqlstate, message FROM pgtide.history ORDER BY seq" \
        -c "SELECT schema_name, uuid, fleet_id, epoch, last_operation IS NULL FROM pgtide.shard ORDER BY 1" \
        -c "SELECT format FROM pgtide.meta" -c "SELECT * FROM pgtide.progress"
}

bare() {
    PROJECT=$T/$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
}

pair() { # NAME: databases NAME_on and NAME_off
    PAIR=$1
    for side in on off; do cluster_psql one postgres -c "CREATE DATABASE $1_$side"; done
    PGTIDE_URL=$(cluster_url one "$1_on")
    export PGTIDE_URL
}
on_sql() { cluster_psql one "${PAIR}_on" -c "$1"; }
off_sql() { cluster_psql one "${PAIR}_off" -c "$1"; }
apply() { cluster_psql one "${PAIR}_off" -f "$1" >"$T/psql.out" 2>"$T/psql.err" || { cat "$T/psql.err" >&2; return 1; }; }
written() { # FILE COMMAND…: prints a script without a server
    local file=$1
    shift
    env -u PGTIDE_URL "$BIN/pgtide" "$@" >"$file"
}
refused_script() { # FILE WORD
    if cluster_psql one "${PAIR}_off" -f "$1" >"$T/psql.out" 2>"$T/psql.err"; then return 1; fi
    contains "$(cat "$T/psql.err")" "$2"
}
same_sides() { # WHAT
    content "${PAIR}_on" >"$T/on.content"
    content "${PAIR}_off" >"$T/off.content"
    check "$1" diff -u "$T/on.content" "$T/off.content"
}
both() { # WHAT ONLINE-ARGUMENTS -- OFFLINE-ARGUMENTS
    local what=$1 online=()
    shift
    while [ "$1" != -- ]; do online+=("$1"); shift; done
    shift
    expect_exit 0 pgtide "${online[@]}"
    expect_exit 0 written "$T/$PAIR.sql" "$@" --sql
    check "psql runs it: $what" apply "$T/$PAIR.sql"
    same_sides "$what"
}

# --- the example: whole, in parts, back, stamped
export PGTIDE_CONFIG=$ROOT/migrations/example/pgtide.yaml
pair example
both 'a fresh database' upgrade head -- upgrade head
both 'nothing to do' upgrade head -- upgrade 008_add_user_title:head
both 'one step back' downgrade -1 -- downgrade 008_add_user_title:-1
both 'to an older revision' downgrade 003_add_team_invites -- downgrade 007_add_user_bio:003_add_team_invites
both 'up again, from the middle' upgrade +2 -- upgrade 003_add_team_invites:+2
both 'all the way back' downgrade base -- downgrade 005_extend_avatar_url_column:base
both 'stamped from nothing' stamp head -- stamp head
both 'stamped from a row' stamp 002_add_labs_sso_columns -- stamp 008:002_add_labs_sso_columns
both 'stamped on' stamp 003_add_team_invites -- stamp 002:003_add_team_invites
both 'stamped from anything' stamp 001_initial --purge -- stamp 001_initial --purge
both 'stamped from the same' stamp 001_initial --purge -- stamp 001_initial --purge

# --- rows that are not what the script begins with: nothing is changed
content example_off >"$T/before"
expect_exit 0 written "$T/wrong.sql" upgrade --sql 003_add_team_invites:head
check 'other rows stop it' refused_script "$T/wrong.sql" 'the shard is at 001_initial, this script begins at 003_add_team_invites'
expect_exit 0 written "$T/wrong.sql" upgrade --sql head
check 'so do rows where none are expected' refused_script "$T/wrong.sql" 'the shard is at 001_initial, this script begins at base'
expect_exit 0 written "$T/wrong.sql" stamp --sql head
check 'so does a stamp' refused_script "$T/wrong.sql" 'the shard is at 001_initial'
content example_off >"$T/after"
check 'nothing was changed' diff "$T/before" "$T/after"
expect_exit 0 written "$T/wrong.sql" downgrade --sql 001_initial:base
pair empty
check 'rows where a table is missing' refused_script "$T/wrong.sql" 'the shard is at base, this script begins at 001_initial'
check 'not even the bookkeeping is made' same "$(off_sql "SELECT to_regnamespace('pgtide'), to_regclass('alembic_version')")" '|'

# --- ensure-version, and what others do in between
both 'ensure-version' ensure-version -- ensure-version
both 'ensure-version again' ensure-version -- ensure-version
for side in on off; do
    cluster_psql one "empty_$side" -c "ALTER TABLE alembic_version ALTER COLUMN version_num TYPE varchar(4); INSERT INTO alembic_version VALUES ('001')"
done
bare small # a project without revisions
revision 001 '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_long_name 001 'CREATE TABLE second (id int);' 'DROP TABLE second;'
both 'another tool moved it' ensure-version -- ensure-version
expect_exit 0 written "$T/two.sql" upgrade --sql 001:head
check 'a narrow column is widened' apply "$T/two.sql"
check 'to 255' same "$(off_sql "SELECT atttypmod - 4, (SELECT version_num FROM alembic_version) FROM pg_attribute WHERE attrelid = 'alembic_version'::regclass AND attname = 'version_num'")" '255|002_long_name'

# --- a fleet's shard, an untrusted ledger, a shard that somebody works on
off_sql "UPDATE pgtide.shard SET fleet_id = '11111111-1111-1111-1111-111111111111'"
expect_exit 0 written "$T/two.sql" downgrade --sql 002_long_name:-1
check 'a shard of a fleet is refused' refused_script "$T/two.sql" "is a fleet's"
expect_exit 0 written "$T/two.sql" downgrade --sql 002_long_name:-1 --unmanaged 'the fleet is away'
check 'unless told' apply "$T/two.sql"
check 'which is kept' same "$(off_sql "SELECT message FROM pgtide.history WHERE direction = 'external' ORDER BY seq DESC LIMIT 1")" 'unmanaged: the fleet is away'
off_sql 'UPDATE pgtide.shard SET fleet_id = NULL'
expect_exit 0 written "$T/two.sql" upgrade --sql 001:head
off_sql 'CREATE TRIGGER bad BEFORE UPDATE ON pgtide.history FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()'
check 'a ledger with a trigger is refused' refused_script "$T/two.sql" 'pgtide.history has triggers'
off_sql 'DROP TRIGGER bad ON pgtide.history'
lock=$(grep -o -m 1 'pg_try_advisory_lock([-0-9, ]*)' "$T/two.sql")
mkfifo "$T/holder"
cluster_psql one empty_off <"$T/holder" >/dev/null &
PIDS+=($!)
exec 8>"$T/holder"
echo "SELECT $lock;" >&8
is_locked() { [ "$(off_sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")" = 1 ]; }
wait_for 10 'the run lock to be held' is_locked
check 'another run at work stops it' refused_script "$T/two.sql" 'another run is at work'
exec 8>&-
is_free() { ! is_locked; }
wait_for 10 'the run lock to be free' is_free
check 'and then it goes on' apply "$T/two.sql"
check 'and gives the lock back' is_free

# --- branches, merges, labels, dependencies
bare branches
revision 001_base '' 'CREATE TABLE base (id int PRIMARY KEY);' 'DROP TABLE base;'
revision 002_left 001_base 'CREATE TABLE left_side (id int);' 'DROP TABLE left_side;'
revision 003_right 001_base 'CREATE TABLE right_side (id int);' 'DROP TABLE right_side;'
revision 004_more_right 003_right 'ALTER TABLE right_side ADD COLUMN x int;' 'ALTER TABLE right_side DROP COLUMN x;'
pair branches
both 'two branches' upgrade heads -- upgrade heads
both 'one branch back' downgrade 003_right@-1 -- downgrade 002_left,004_more_right:003_right@-1
revision 005_merge '002_left, 004_more_right' 'CREATE VIEW both_sides AS SELECT 1 AS one;' 'DROP VIEW both_sides;'
both 'a merge' upgrade head -- upgrade 003_right,002_left:head
both 'back over the merge' downgrade 001_base -- downgrade 005_merge:001_base
expect_exit 2 written "$T/none.sql" upgrade --sql 001_base,002_left:head
check 'rows that can'"'"'t be' contains "$(cat "$T/err")" 'overlap'

# --- what psql must not touch: variables, quotes, comments at a statement's end; deferred constraints; roles; paths
bare odd
atomic='CREATE FUNCTION g() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;'
[ "$(pg_major)" -ge 14 ] || atomic="CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1; SELECT 2';"
revision 001_odd '' "CREATE TABLE odd (id int PRIMARY KEY, a int[], note text,
    up int REFERENCES odd DEFERRABLE INITIALLY DEFERRED);
INSERT INTO odd VALUES (1, '{1,2,3}', E'a\\\\b ''quoted'' :USER', 2), (2, '{4}', ':VERSION', NULL);
CREATE VIEW slices AS SELECT a[1:ENCODING] AS s, a[ENCODING:'2'] AS t FROM odd, (SELECT 2 AS ENCODING) AS encoding (ENCODING);
CREATE FUNCTION f(x int) RETURNS int LANGUAGE plpgsql AS \$\$ BEGIN RETURN x::int; -- :x
END \$\$;
$atomic
CREATE RULE nothing AS ON DELETE TO odd DO ALSO (SELECT 1; SELECT 2);
SET LOCAL ROLE pg_monitor;
RESET ROLE;
SELECT set_config('search_path', 'public', true);
CREATE TABLE public.late (x int); -- a remark at the end" 'DROP TABLE late; DROP VIEW slices; DROP TABLE odd; DROP FUNCTION f, g' \
    'CREATE TABLE verify_only (x int);
INSERT INTO verify_only VALUES (1);
SELECT count(*) = 1 FROM verify_only -- it is there'
pair odd
off_sql 'CREATE SCHEMA "Strange"" one"; ALTER DATABASE odd_off SET search_path = "Strange"" one", public'
on_sql 'CREATE SCHEMA "Strange"" one"; ALTER DATABASE odd_on SET search_path = "Strange"" one", public'
both 'nothing is lost on the way through psql' upgrade -- upgrade --sql head
check 'the version table is where the path begins' same "$(off_sql 'SELECT version_num FROM "Strange"" one".alembic_version')" 001_odd
both 'and back' downgrade base -- downgrade 001_odd:base

# --- a tenant's schema
pair tenant
for side in on off; do cluster_psql one "tenant_$side" -c 'CREATE SCHEMA "t 1"; CREATE SCHEMA lib; CREATE DOMAIN lib.kind AS int'; done
bare tenant
revision 001_t '' 'CREATE TABLE t (k kind);' 'DROP TABLE t;'
both 'a schema as a shard' upgrade --schema 't 1' --shared-schema lib -- upgrade --schema 't 1' --shared-schema lib
expect_exit 0 written "$T/none.sql" upgrade --sql --schema nosuch
check 'a schema that is not there' refused_script "$T/none.sql" 'there is no schema "nosuch"'

# --- +verify says no: rolled back
bare verify
revision 001_v '' 'CREATE TABLE v (x int);' 'DROP TABLE v;'
revision 002_v 001_v 'INSERT INTO v VALUES (1);' 'DELETE FROM v;' 'SELECT count(*) = 2 FROM v;'
pair verify
expect_exit 0 written "$T/verify.sql" upgrade --sql
check 'a false verify stops it' refused_script "$T/verify.sql" 'the +verify section of 002_v says false'
check 'at the step before' same "$(off_sql 'SELECT version_num, (SELECT count(*) FROM v) FROM alembic_version')" '001_v|0'
for verify in 'WITH x AS (SELECT 1 AS a) SELECT a > 1 FROM x' 'INSERT INTO v VALUES (7) RETURNING false' '(SELECT false)' 'VALUES (false)'; do
    revision 002_v 001_v 'INSERT INTO v VALUES (1);' 'DELETE FROM v;' "$verify;"
    expect_exit 0 written "$T/verify.sql" upgrade --sql 001_v:head
    check "false: $verify" refused_script "$T/verify.sql" 'says false'
done
number=2
for verify in 'SELECT NULL::bool' 'SELECT false, true' 'SELECT false FROM v LIMIT 0' 'SELECT false FROM generate_series(1, 2)' \
    "SELECT 'false'::text" 'WITH x AS (SELECT 1) INSERT INTO v SELECT * FROM x' 'SELECT 1 INTO TEMP nowhere' 'SET LOCAL work_mem = 999' 'EXPLAIN SELECT false' 'SELECT $verify$; END $pgtide$ $verify$'; do
    printf -v id '%03d_v' "$number"
    printf -v before '%03d_v' $((number - 1))
    revision "$id" "$before" 'SELECT 1;' 'SELECT 1;' "$verify;"
    number=$((number + 1))
done
pair passing
both 'what is not a single false passes' upgrade -- upgrade --sql

# --- a step that leaves where it should lead
bare leaving
revision 001_l '' 'CREATE TABLE l (x int);' 'DROP TABLE l;'
revision 002_l 001_l "INSERT INTO alembic_version VALUES ('999');" 'SELECT 1;'
revision 003_l 002_l 'DELETE FROM pgtide.shard;' 'SELECT 1;'
pair leaving
expect_exit 0 written "$T/leaving.sql" upgrade --sql
check 'version rows of its own' refused_script "$T/leaving.sql" 'not where this step leads'
check 'were rolled back' same "$(off_sql 'SELECT version_num FROM alembic_version')" 001_l
expect_exit 0 written "$T/leaving.sql" stamp --sql 001_l:002_l
check 'stamped past it' apply "$T/leaving.sql"
expect_exit 0 written "$T/leaving.sql" upgrade --sql 002_l:head
check 'a ledger of its own' refused_script "$T/leaving.sql" 'wrote to schema pgtide itself'

# --- outside a transaction: CONCURRENTLY, blocks, rows; repeatables; placeholders
bare outside
revision 001_rows '' "CREATE TABLE r (id int, t text);
COPY r FROM STDIN;
1	it's :x \\\\N
2	\\N
\\.
COPY r (t, id) FROM STDIN WITH (FORMAT csv);
\"a;
-- +downgrade\",3
\\." 'DROP TABLE r;'
cat >"$PROJECT/versions/002_outside.sql" <<'SQL'
-- revision: 002_outside
-- revises: 001_rows
-- transaction: none
-- lock-timeout: 200ms

-- +upgrade
CREATE INDEX CONCURRENTLY r_id ON r (id);
BEGIN;
INSERT INTO r VALUES (4, current_setting('lock_timeout'));
COPY r FROM STDIN;
5	five
\.
COMMIT;
SET work_mem = '9MB';
-- +rerunnable
VACUUM r;
CREATE TABLE b (id int PRIMARY KEY, n int NOT NULL DEFAULT 0, label text);
INSERT INTO b SELECT i FROM generate_series(1, 50) i;
-- +batch key=id table=b size=7
UPDATE b SET n = n + 1 WHERE /*+batch*/ true;
-- +batch until=no-rows
UPDATE b SET label = $$it's$$ WHERE id IN (SELECT id FROM b WHERE label IS NULL LIMIT /*+batch*/ 9);

-- +downgrade
DROP TABLE b;
DROP INDEX CONCURRENTLY r_id;
DELETE FROM r WHERE id > 3;

-- +verify
SELECT indisvalid FROM pg_index WHERE indexrelid = 'r_id'::regclass;
SQL
pair rows
both 'rows, and what runs outside a transaction' upgrade head -- upgrade head
both 'and back again' downgrade base -- downgrade head:base
cat >"$PROJECT/versions/003_given.sql" <<'SQL'
-- revision: 003_given
-- revises: 002_outside
-- placeholders: label, table=r
-- +upgrade
INSERT INTO :"table" VALUES (6, :'label');
-- +downgrade
DELETE FROM :"table" WHERE t = :'label';
SQL
cat >"$PROJECT/versions/R_names.sql" <<'SQL'
-- repeatable: names
-- +upgrade
CREATE OR REPLACE VIEW names AS SELECT t AS name, 'it''s' AS note FROM r;
SQL
pair outside
expect_exit 2 written "$T/none.sql" upgrade --sql
check 'a placeholder without a value' contains "$(cat "$T/err")" "-x label="
check 'prints nothing' same "$(cat "$T/none.sql")" ''
expect_exit 0 written "$T/outside.sql" upgrade --sql -x "label=it's \\ :x" -x nosuch=1 --tag "release '7"
check 'a name that no file declares' contains "$(cat "$T/err")" nosuch
check 'psql runs it' apply "$T/outside.sql"
check 'rows, a block, a value' same "$(off_sql "SELECT string_agg(id || '=' || coalesce(t, 'NULL'), '|' ORDER BY id) FROM r")" "1=it's :x \\N|2=NULL|3=a;
-- +downgrade|4=200ms|5=five|6=it's \\ :x"
check 'the index is valid' same "$(off_sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'r_id'::regclass")" t
check 'the view is there' same "$(off_sql 'SELECT count(*) FROM names')" 6
check 'all is recorded' same "$(off_sql "SELECT string_agg(revision, ' ' ORDER BY seq) FROM pgtide.history WHERE direction = 'upgrade'")" '001_rows 002_outside 003_given R:names'
expect_exit 0 written "$T/outside.sql" upgrade --sql 003_given:heads
check 'with its message' same "$(off_sql "SELECT DISTINCT message FROM pgtide.history WHERE direction = 'upgrade'")" "release '7"
check 'nothing is due' apply "$T/outside.sql"
check 'and nothing ran' same "$(off_sql "SELECT count(*) FROM pgtide.history WHERE direction = 'upgrade'")" 4
sed -i 's/AS note/AS remark/; s/CREATE OR REPLACE/DROP VIEW names; CREATE/' "$PROJECT/versions/R_names.sql"
expect_exit 0 written "$T/outside.sql" upgrade --sql 003_given:heads
check 'a changed one is due' apply "$T/outside.sql"
check 'and ran' same "$(off_sql 'SELECT count(remark) FROM names')" 6
expect_exit 0 written "$T/outside.sql" downgrade --sql 003_given:001_rows -x "label=it's \\ :x"
check 'back' apply "$T/outside.sql"
check 'without index and rows' same "$(off_sql "SELECT to_regclass('r_id'), count(*) FROM r")" '|3'

# --- outside a transaction, something fails: what ran stays, the rows do not move
sed -i 's/^VACUUM r;/SELECT 1 \/ 0;/' "$PROJECT/versions/002_outside.sql"
expect_exit 0 written "$T/outside.sql" upgrade --sql 001_rows:002_outside
check 'it stops' refused_script "$T/outside.sql" 'division by zero'
check 'at the row before' same "$(off_sql "SELECT version_num, to_regclass('r_id') FROM alembic_version")" '001_rows|r_id'

# --- wrong use: refused before anything is printed
nothing() { # STATUS WORD ARGUMENTS…
    local status=$1 word=$2
    shift 2
    expect_exit "$status" written "$T/none.sql" "$@"
    check "$*: says why" contains "$(cat "$T/err")" "$word"
    check "$*: prints nothing" same "$(cat "$T/none.sql")" ''
}
nothing 2 'downgrade with --sql requires <fromrev>:<torev>' downgrade --sql base
nothing 2 'a range (001_rows:head) is not allowed' upgrade 001_rows:head
nothing 2 'a range (head:base) is not allowed' downgrade head:base
nothing 2 'a range (base:head) is not allowed' stamp base:head
nothing 2 nosuch upgrade --sql nosuch
nothing 2 nosuch upgrade --sql nosuch:head
nothing 2 'is no range' upgrade --sql 001_rows:
nothing 2 'is no range' upgrade --sql 001_rows:002_outside:head
nothing 2 'not a valid downgrade target' downgrade --sql 001_rows:003_given
nothing 2 'exclude each other' upgrade --sql --url postgresql:///x
nothing 2 'takes no FROM' stamp --sql --purge 001_rows:head
printf 'VACUUM;\n' >>"$PROJECT/versions/002_outside.sql" # of its +verify
nothing 2 'inside a transaction' upgrade --sql
sed -i '/^VACUUM;/d; s/^-- +rerunnable//' "$PROJECT/versions/002_outside.sql"
sed -i 's|^SELECT 1 / 0;|VACUUM r;|' "$PROJECT/versions/002_outside.sql"
nothing 2 'nothing tells whether it has' upgrade --sql -x label=1
sed -i 's/^VACUUM r;//' "$PROJECT/versions/002_outside.sql"
nothing 2 'lock-timeout' upgrade --sql --lock-timeout soon
nothing 2 'needs a text' upgrade --sql --tag ''
revision 001_rows '' 'CREATE TABLE r (id int);' ''
sed -i 's/^-- +downgrade//; s/^-- message.*/-- irreversible: it is gone/' "$PROJECT/versions/001_rows.sql"
nothing 2 'it is gone' downgrade --sql 001_rows:base
printf 'COPY r FROM STDIN;\n1\t1\n\\.\n' >>"$PROJECT/versions/R_names.sql"
nothing 2 'with rows' upgrade --sql -x label=1
expect_exit 0 written "$T/out.json" downgrade --sql 003_given:002_outside -x label=1 --json
check 'as JSON' contains "$(cat "$T/out.json")" '"steps":[["downgrade","003_given"]],"rows_before":["003_given"],"rows":["002_outside"],"sql":"-- pgtide'
