#!/usr/bin/env bash
# COPY ... FROM STDIN with its rows in a revision, as pg_dump writes them: in the step's transaction, between other
# statements, large, wrong, cancelled, with the server gone.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin copy
cluster_start one
project small
V=$PROJECT/versions
probe() { "$BIN/pgtide_shard_probe" "$PGTIDE_URL" "$@"; }
says() { check "$1" contains "$(cat "$T/out")" "$2"; }
outcomes() { sql "SELECT string_agg(direction || ':' || coalesce(revision, '') || ':' || outcome, ' ' ORDER BY seq) FROM pgtide.history WHERE direction <> 'adopt'"; }

# --- rows among other statements: the first, two in a row, the last
database one mixed
rm "$V/002_wait.sql" "$V/003_last.sql"
cat >"$V/001_first.sql" <<'SQL'
-- revision: 001_first

-- +upgrade
CREATE TABLE a (id int PRIMARY KEY, note text);
CREATE TABLE b (id int PRIMARY KEY REFERENCES a DEFERRABLE INITIALLY DEFERRED);
COPY b (id) FROM stdin;
1
2
\.
COPY a (id, note) FROM STDIN WITH (FORMAT csv, HEADER);
id,note
1,"one; or more"
2,"--
+downgrade"
3,
\.
INSERT INTO a VALUES (4, 'after');
COPY a FROM STDIN;
5	tab\tand \\ and \N
6	\N
\.
COPY b FROM STDIN;
\.

-- +downgrade
CREATE TABLE gone AS SELECT * FROM a WHERE false;
COPY gone FROM stdin;
9	rows go down too
\.
DROP TABLE b, a;

-- +verify
SELECT count(*) = 6 FROM a;
SQL
expect_exit 0 pgtide upgrade
check 'all rows' same "$(sql "SELECT string_agg(id || '=' || coalesce(note, 'NULL'), '|' ORDER BY id) FROM a")" \
    $'1=one; or more|2=--\n+downgrade|3=NULL|4=after|5=tab\tand \\ and N|6=NULL'
check 'in both tables' same "$(sql 'SELECT count(*) FROM b')" 2
check 'of one transaction' same "$(sql 'SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM a UNION ALL SELECT xmin FROM b) x')" 1
check 'recorded once' same "$(outcomes)" 'upgrade:001_first:succeeded'
expect_exit 0 pgtide downgrade base
check 'and back' same "$(sql 'SELECT * FROM gone')" '9|rows go down too'

# --- a wrong row: its line in the file, and nothing stays
database one wrong
sed -i 's/^6\t.N$/six\t\\N/' "$V/001_first.sql"
expect_exit 1 pgtide upgrade
check 'the row' contains "$(cat "$T/err")" 'invalid input syntax for type integer: "six"'
check 'its line' contains "$(cat "$T/err")" "001_first.sql:$(grep -n '^six' "$V/001_first.sql" | cut -d: -f1)"
check 'nothing stays' same "$(sql "SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b')")|$(outcomes)" '0|upgrade:001_first:failed'
sed -i 's/^six\t.N$/5\t\\N/' "$V/001_first.sql"
expect_exit 1 pgtide upgrade
check 'a duplicate, found by an index' contains "$(cat "$T/err")" 'duplicate key value'
check 'its line too' contains "$(cat "$T/err")" "001_first.sql:$(grep -n '^5.\\N' "$V/001_first.sql" | cut -d: -f1)"
sed -i 's/^5\t.N$/6\t\\N\ttoo many/' "$V/001_first.sql"
expect_exit 1 pgtide upgrade
check 'too many columns' contains "$(cat "$T/err")" 'extra data after last expected column'
sed -i 's/^COPY a FROM STDIN;$/COPY nowhere FROM STDIN;/' "$V/001_first.sql"
expect_exit 1 pgtide upgrade
check 'a statement that is wrong itself' contains "$(cat "$T/err")" "001_first.sql:$(grep -n nowhere "$V/001_first.sql" | cut -d: -f1)"
check 'what follows is not run' contains "$(cat "$T/err")" 'relation "nowhere" does not exist'
check 'nothing stays at all' same "$(sql "SELECT count(*) FROM pg_class WHERE relname IN ('a', 'b')")" 0

# --- what a COPY puts off fails where the step ends, in words
cat >"$V/001_first.sql" <<'SQL'
-- revision: 001_first
-- irreversible: no way back

-- +upgrade
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int REFERENCES a DEFERRABLE INITIALLY DEFERRED);
COPY b FROM STDIN;
7
\.
SQL
expect_exit 1 pgtide upgrade
check 'a foreign key' contains "$(cat "$T/err")" 'violates foreign key constraint "b_id_fkey"'

# --- more rows than a socket takes at once, through a trigger that is in no hurry
database one large
large() { # N rows
    printf -- '-- revision: 001_first\n-- irreversible: no way back\n\n-- +upgrade\nCREATE TABLE a (id int PRIMARY KEY, t text);\nCOPY a FROM STDIN;\n'
    awk -v n="$1" 'BEGIN { for (i = 1; i <= n; i++) print i "\t" "0123456789012345678901234567890123456789" }'
    printf '%s\nINSERT INTO a VALUES (0, NULL);\n' '\.'
}
large 200000 >"$V/001_first.sql"
expect_exit 0 pgtide upgrade 001_first
check 'every row' same "$(sql 'SELECT count(*), sum(id) FROM a')" '200001|20000100000'

# --- an error at its beginning: the rest of 9 MB is not waited for in vain
database one early
sed -i '0,/^1\t/s/^1\t/one\t/' "$V/001_first.sql"
expect_exit 1 probe claim 0 0 up "$V/001_first.sql" up "$V/001_first.sql"
says 'its line' 'step: SQL 001_first.sql:7'
says 'the session goes on' 'recorded at base'

# --- cancelled and late, in the middle of the rows
database one slow
sql 'CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END $$;
    CREATE TABLE a (id int, t text); CREATE TRIGGER wait BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION wait()'
large 200000 | sed -e '/^CREATE/d' -e '2i -- lock-timeout: 60s' >"$V/001_first.sql"
hold_lock
expect_exit 1 probe claim 0 0 deadline 300 up "$V/001_first.sql"
says 'late' 'step: TIMEOUT'
says 'recorded on the same session' 'recorded at base'
expect_exit 1 probe claim 0 0 cancel 300 up "$V/001_first.sql"
says 'cancelled' 'step: INTERRUPTED'

# --- the server process goes away in the middle of the rows: known not to have happened
"$BIN/pgtide" upgrade 001_first --lock-timeout 60s >"$T/step.out" 2>"$T/step.err" &
STEP_PID=$!
PIDS+=("$STEP_PID")
wait_for 10 'the rows to wait' step_waits
sql "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted" >/dev/null
status=0
wait "$STEP_PID" || status=$?
release_lock
check 'safe to retry' same "$status|$(sql 'SELECT count(*) FROM a')" '6|0'
expect_exit 0 probe claim 10000 0 up "$V/001_first.sql"
check 'and then done' same "$(sql 'SELECT count(*) FROM a')" 200001

# --- statements that are no step, with rows
database one hooks
sql 'CREATE TABLE a (id int, t text)'
expect_exit 0 probe sql "$V/001_first.sql"
check 'rows of a hook' same "$(sql 'SELECT count(*) FROM a')" 200001

# --- a unit of a revision outside a transaction
database one units
cat >"$V/001_first.sql" <<'SQL'
-- revision: 001_first
-- transaction: none
-- irreversible: no way back

-- +upgrade
BEGIN;
CREATE TABLE a (id int);
COPY a FROM STDIN;
1
2
\.
COMMIT;
CREATE INDEX CONCURRENTLY a_id ON a (id);
COPY a FROM STDIN;
3
\.
SQL
expect_exit 0 pgtide upgrade
check 'rows in a block and by themselves' same "$(sql "SELECT string_agg(id::text, ',' ORDER BY id) FROM a")" 1,2,3
