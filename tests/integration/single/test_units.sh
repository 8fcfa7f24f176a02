#!/usr/bin/env bash
# Revisions with `transaction: none`: killed, cut off, cancelled and changed at every moment; each statement has
# happened once in the end, and nothing is left behind.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin units
cluster_start one

none() { # ID PARENT UPGRADE DOWNGRADE [VERIFY]: a revision outside a transaction
    revision "$@"
    sed -i 's/^-- message:/-- transaction: none\n&/' "$PROJECT/versions/$1.sql"
}

fresh() { # NAME: a database at 001_base, whose tables the rest is about
    database one "$1"
    rm -rf "$T/p"
    project p
    rm "$PROJECT"/versions/*
    revision 001_base '' 'CREATE TABLE msg (id int PRIMARY KEY, chan int, body text);
INSERT INTO msg SELECT i, i % 7, i FROM generate_series(1, 1000) i;
CREATE TABLE other (id int);
CREATE TABLE log (what text);' 'DROP TABLE msg, other, log;'
    expect_exit 0 pgtide upgrade
}

# A session that keeps a transaction open: an old snapshot (CREATE INDEX waits for it last), or a writer of the table
# (CREATE INDEX waits for it first).
hold() {
    mkfifo "$T/hold"
    cluster_psql "$CLUSTER" "$DATABASE" <"$T/hold" >/dev/null 2>&1 &
    HOLD_PID=$!
    PIDS+=("$HOLD_PID")
    exec 8>"$T/hold"
    echo "SET application_name = 'holder'; BEGIN ISOLATION LEVEL REPEATABLE READ; $1;" >&8
    wait_for 10 'the holder to hold' is_holding
}
is_holding() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holder' AND state = 'idle in transaction'")" = 1 ]; }
snapshot='SELECT count(*) FROM other'
writer='UPDATE msg SET body = body WHERE id = 1'
let_go() {
    echo '\q' >&8
    exec 8>&-
    wait "$HOLD_PID" || true
    rm "$T/hold"
}

run_up() { # in the background
    "$BIN/pgtide" "$@" >"$T/run.out" 2>"$T/run.err" &
    RUN_PID=$!
    PIDS+=("$RUN_PID")
}
run_end() { # its exit status goes to $status
    status=0
    wait "$RUN_PID" 2>/dev/null || status=$?
}

waiting() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%' AND wait_event_type = 'Lock' AND query LIKE '${1:-}%'")" = 1 ]; }
nobody() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%'")" = 0 ]; }
# Name and validity of all indexes on a table; the progress rows; outcomes of a revision.
indexes() { sql "SELECT string_agg(c.relname || CASE WHEN i.indisvalid AND i.indisready THEN '' ELSE ' INVALID' END, ' ' ORDER BY c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = '$1'::regclass"; }
progress() { sql 'SELECT count(*) FROM pgtide.progress'; }
outcomes() { sql "SELECT string_agg(outcome, ' ' ORDER BY seq) FROM pgtide.history WHERE revision = '$1'"; }

index_revision='INSERT INTO log VALUES ($$once$$);
CREATE INDEX CONCURRENTLY msg_chan ON msg (chan) WHERE id > 0;
BEGIN; INSERT INTO log VALUES ($$block$$); INSERT INTO log VALUES ($$block$$); COMMIT;'
index_downgrade='DROP INDEX CONCURRENTLY msg_chan;
TRUNCATE log;'
all_there() {
    check 'the index is there, alone and valid' same "$(indexes msg)" 'msg_chan msg_pkey'
    check 'the other statements ran once' same "$(sql 'SELECT string_agg(what, $$ $$ ORDER BY what) FROM log')" 'block block once'
    check 'at the revision, nothing left' same "$(rows)|$(progress)" '002_index|0'
}

# --- nothing goes wrong
fresh plain
none 002_index 001_base "$index_revision" "$index_downgrade" 'SELECT count(*) = 3 FROM log'
expect_exit 0 pgtide upgrade
all_there
check 'in the history once' same "$(outcomes 002_index)" succeeded
expect_exit 0 pgtide downgrade 001_base
check 'and back' same "$(rows)|$(indexes msg)|$(progress)" '001_base|msg_pkey|0'
expect_exit 0 pgtide upgrade
all_there

# --- kill -9 of the client in the middle of CREATE INDEX, waiting first for writers, then for snapshots
for held in "$writer" "$snapshot"; do
    fresh "killed_$checks"
    none 002_index 001_base "$index_revision" "$index_downgrade"
    hold "$held"
    run_up upgrade
    wait_for 10 'the index build to wait' waiting 'CREATE INDEX'
    kill -9 "$RUN_PID"
    run_end
    orphans_end one
    wait_for 10 'its backend to notice' nobody
    check 'an INVALID index is left' same "$(indexes msg)|$(rows)" 'msg_chan INVALID msg_pkey|001_base'
    let_go
    expect_exit 0 pgtide upgrade
    all_there
    check 'in the history once' same "$(outcomes 002_index)" succeeded
done

# --- the same again while the leftover is dropped
fresh killed_twice
none 002_index 001_base "$index_revision" "$index_downgrade"
hold "$writer"
run_up upgrade
wait_for 10 'the index build to wait' waiting 'CREATE INDEX'
kill -9 "$RUN_PID"
run_end
orphans_end one
wait_for 10 'its backend to notice' nobody
run_up upgrade
wait_for 10 'the leftover to be dropped' waiting 'DROP INDEX'
kill -9 "$RUN_PID"
run_end
orphans_end one
wait_for 10 'its backend to notice' nobody
let_go
expect_exit 0 pgtide upgrade
all_there

# --- the backend is ended, and the server is stopped at once
for moment in "$writer" "$snapshot"; do
    fresh "ended_$checks"
    none 002_index 001_base "$index_revision" "$index_downgrade"
    hold "$moment"
    run_up upgrade
    wait_for 10 'the index build to wait' waiting 'CREATE INDEX'
    sql "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%'" >/dev/null
    run_end
    check 'safe to run again' same "$status" 6
    check 'the shard has not moved' same "$(rows)" 001_base
    run_up upgrade
    wait_for 10 'the next attempt to wait' waiting
    cluster_restart one immediate
    run_end
    check 'not done' test "$status" -ne 0
    let_go
    expect_exit 0 pgtide upgrade
    all_there
done

# --- the server stops in a unit in a transaction: it has happened once, or not
fresh stopped_between
none 002_index 001_base 'INSERT INTO log VALUES ($$once$$);
BEGIN; INSERT INTO log VALUES ($$block$$); INSERT INTO log VALUES ($$block$$);
SELECT count(*) FROM pg_locks WHERE pg_try_advisory_xact_lock(1) IS NULL; LOCK TABLE other; COMMIT;
CREATE INDEX CONCURRENTLY msg_chan ON msg (chan);' "$index_downgrade"
hold "$snapshot"
run_up upgrade --lock-timeout 60s
wait_for 10 'the block to wait' waiting 'LOCK TABLE'
cluster_restart one immediate
run_end
let_go
check 'only what was committed is there' same "$(sql 'SELECT string_agg(what, $$ $$) FROM log')|$(rows)" 'once|001_base'
expect_exit 0 pgtide upgrade
all_there

# --- Ctrl-C: the statement is cancelled, and what it left is dropped before the end
fresh interrupted
none 002_index 001_base "$index_revision" "$index_downgrade"
hold "$snapshot"
run_up upgrade
wait_for 10 'the index build to wait' waiting 'CREATE INDEX'
kill -INT "$RUN_PID"
run_end
check 'ended by the signal' same "$status" 130
check 'says where it stands' contains "$(cat "$T/run.err")" 'unit 2 of 3 (CREATE INDEX CONCURRENTLY msg_chan)'
check 'nothing INVALID is left' same "$(indexes msg)|$(rows)" 'msg_pkey|001_base'
let_go
expect_exit 0 pgtide upgrade
all_there

# --- a server's statement_timeout and lock_timeout do not count for an index build
fresh timeouts
none 002_index 001_base "$index_revision" "$index_downgrade"
sql "ALTER DATABASE timeouts SET statement_timeout = '300ms'"
sql "ALTER DATABASE timeouts SET lock_timeout = '300ms'"
hold "$snapshot"
run_up upgrade --lock-timeout 100ms
wait_for 10 'the index build to wait' waiting 'CREATE INDEX'
sql 'SELECT pg_sleep(0.7)' >/dev/null 2>&1 || sql 'SET statement_timeout = 0; SELECT pg_sleep(0.7)' >/dev/null
check 'it still waits' waiting 'CREATE INDEX'
let_go
run_end
check 'and is built' same "$status" 0
all_there

# --- but the revision's own statement-timeout does
fresh own_timeout
none 002_index 001_base "$index_revision" "$index_downgrade"
sed -i 's/^-- message:/-- statement-timeout: 200ms\n&/' "$PROJECT/versions/002_index.sql"
hold "$snapshot"
expect_exit 6 pgtide upgrade
check 'says so' contains "$(cat "$T/err")" 'not done before its deadline'
check 'and leaves nothing INVALID' same "$(indexes msg)" msg_pkey
let_go
expect_exit 0 pgtide upgrade
all_there

# --- a unique index meets duplicates: repaired, and gone on with
fresh duplicates
none 002_index 001_base 'INSERT INTO log VALUES ($$once$$);
CREATE UNIQUE INDEX CONCURRENTLY msg_chan ON msg (chan);
INSERT INTO log VALUES ($$block$$), ($$block$$);' 'SELECT 1;'
expect_exit 1 pgtide upgrade
check 'says which' contains "$(cat "$T/err")" 'unit 2 of 3 (CREATE UNIQUE INDEX CONCURRENTLY msg_chan)'
check 'says that the first stays' contains "$(cat "$T/err")" 'goes on with unit 2'
check 'with the line' contains "$(cat "$T/err")" '002_index.sql:8'
check 'nothing INVALID is left' same "$(indexes msg)|$(rows)|$(progress)" 'msg_pkey|001_base|2'
check 'a failure is in the history' same "$(outcomes 002_index)" failed
sql 'UPDATE msg SET chan = id'
expect_exit 0 pgtide upgrade
all_there
check 'then a success' same "$(outcomes 002_index)" 'failed succeeded'

# --- the file changes between: what is to come may, what has run may not
fresh changed
bad='CREATE UNIQUE INDEX CONCURRENTLY msg_chan ON msg (chan);'
none 002_index 001_base "INSERT INTO log VALUES ('once');
$bad" 'SELECT 1;'
expect_exit 1 pgtide upgrade
none 002_index 001_base "INSERT INTO log VALUES ('twice');
$bad" 'SELECT 1;'
expect_exit 5 pgtide upgrade
check 'says what has run' contains "$(cat "$T/err")" "\"INSERT INTO log VALUES (...\" has run on this shard and is no longer in"
none 002_index 001_base "COPY log FROM STDIN;
block
block
\\.
INSERT /* as before */ INTO log VALUES ('once');
CREATE INDEX CONCURRENTLY msg_chan ON msg (chan, id);" 'SELECT 1;'
expect_exit 0 pgtide upgrade
all_there

# --- changed while an index was half built: the old one is not left behind
fresh changed_index
none 002_index 001_base "CREATE INDEX CONCURRENTLY msg_old ON msg (chan);" 'SELECT 1;'
hold "$snapshot"
run_up upgrade
wait_for 10 'the index build to wait' waiting 'CREATE INDEX'
kill -9 "$RUN_PID"
run_end
orphans_end one
wait_for 10 'its backend to notice' nobody
let_go
none 002_index 001_base "CREATE INDEX CONCURRENTLY msg_new ON msg (chan);" 'SELECT 1;'
expect_exit 0 pgtide upgrade
check 'only the new one' same "$(indexes msg)|$(progress)" 'msg_new msg_pkey|0'

# --- an index of the name exists: the same, another, on another table, INVALID and not ours
fresh definitions
sql 'CREATE INDEX "Msg Chan" ON msg USING btree (chan DESC, lower(body) text_pattern_ops) INCLUDE (id) WITH (fillfactor = 70) WHERE chan > 0 AND body IS NOT NULL'
same_index='CREATE INDEX CONCURRENTLY %s "Msg Chan" ON public.msg (chan DESC, lower(msg.body) text_pattern_ops) INCLUDE (id) WITH (fillfactor=70) WHERE (body IS NOT NULL) IS TRUE AND chan > 0;'
# shellcheck disable=SC2059
none 002_index 001_base "$(printf "${same_index/ IS TRUE AND chan > 0/ AND chan > 0}" '')" 'DROP INDEX CONCURRENTLY "Msg Chan";'
expect_exit 5 pgtide upgrade
check 'the order of a condition counts' contains "$(cat "$T/err")" 'exists with another definition'
none 002_index 001_base 'CREATE INDEX CONCURRENTLY IF NOT EXISTS "Msg Chan" ON msg (chan DESC, lower(msg.body) text_pattern_ops) INCLUDE (id) WITH (fillfactor=70) WHERE chan > 0 AND body IS NOT NULL;' 'DROP INDEX CONCURRENTLY "Msg Chan";'
before=$(sql "SELECT '\"Msg Chan\"'::regclass::oid")
expect_exit 0 pgtide upgrade
check 'the same one is kept' same "$(sql "SELECT '\"Msg Chan\"'::regclass::oid")" "$before"
expect_exit 0 pgtide downgrade 001_base
for wrong in 'CREATE INDEX taken ON msg (body)' 'CREATE UNIQUE INDEX taken ON msg (id)' 'CREATE INDEX taken ON msg (id DESC)' \
    'CREATE INDEX taken ON msg USING hash (id)' 'CREATE INDEX taken ON other (id)' 'CREATE TABLE taken ()' 'CREATE INDEX taken ON msg (id) WHERE chan > 0'; do
    sql "$wrong"
    none 002_index 001_base 'CREATE INDEX CONCURRENTLY IF NOT EXISTS taken ON msg (id);' 'SELECT 1;'
    expect_exit 5 pgtide upgrade
    check "refused: $wrong" contains "$(cat "$T/err")" exists
    case $wrong in 'CREATE TABLE'*) sql 'DROP TABLE taken' ;; *) sql 'DROP INDEX taken' ;; esac
done
hold "$snapshot"
cluster_psql one definitions -c 'SET statement_timeout = 200' -c 'CREATE INDEX CONCURRENTLY taken ON msg (id)' 2>/dev/null || true
let_go
check 'somebody left an INVALID one' contains "$(indexes msg)" 'taken INVALID'
expect_exit 5 pgtide upgrade
check 'which is not ours to drop' contains "$(cat "$T/err")" 'is INVALID, and was not left by this revision'
check 'and was not' contains "$(indexes msg)" 'taken INVALID'
sql 'DROP INDEX taken'
expect_exit 0 pgtide upgrade
check 'built' same "$(indexes msg)" 'msg_pkey taken'

# --- DROP INDEX, REINDEX and DETACH PARTITION are cut off
fresh drop_cut
sql 'CREATE INDEX msg_chan ON msg (chan)'
none 002_index 001_base 'DROP INDEX CONCURRENTLY msg_chan;' 'SELECT 1;'
hold "$writer"
run_up upgrade
wait_for 10 'DROP INDEX to wait' waiting 'DROP INDEX'
kill -9 "$RUN_PID"
run_end
orphans_end one
wait_for 10 'its backend to notice' nobody
let_go
expect_exit 0 pgtide upgrade
check 'dropped' same "$(indexes msg)|$(progress)" 'msg_pkey|0'

for what in 'TABLE CONCURRENTLY msg' 'INDEX CONCURRENTLY msg_pkey'; do
    for held in "$writer" "$snapshot"; do
        fresh "reindex_$checks"
        none 002_index 001_base "REINDEX $what;" 'SELECT 1;'
        before=$(sql "SELECT 'msg_pkey'::regclass::oid")
        hold "$held"
        run_up upgrade
        wait_for 10 'REINDEX to wait' waiting REINDEX
        kill -9 "$RUN_PID"
        run_end
        orphans_end one
        wait_for 10 'its backend to notice' nobody
        check 'something is left' contains "$(indexes msg)" '_cc'
        let_go
        expect_exit 0 pgtide upgrade
        check 'rebuilt, nothing left' same "$(indexes msg)|$(progress)" 'msg_pkey|0'
        check 'it is another index' test "$(sql "SELECT 'msg_pkey'::regclass::oid")" != "$before"
        check 'nor of TOAST' same "$(sql "SELECT count(*) FROM pg_class WHERE relname ~ '_cc(new|old)'")" 0
    done
done

if [ "$(pg_major)" -ge 14 ]; then # before, there is no such form
    fresh detach_cut
    sql 'CREATE TABLE part (id int) PARTITION BY RANGE (id)'
    sql 'CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (9)'
    none 002_index 001_base 'ALTER TABLE part DETACH PARTITION part_1 CONCURRENTLY;' 'SELECT 1;'
    hold 'SELECT count(*) FROM part'
    run_up upgrade
    wait_for 10 'DETACH to wait' waiting 'ALTER TABLE'
    kill -9 "$RUN_PID"
    run_end
    orphans_end one
    wait_for 10 'its backend to notice' nobody
    check 'pending' same "$(sql "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'part_1'::regclass")" t
    let_go
    expect_exit 0 pgtide upgrade
    check 'detached' same "$(sql "SELECT count(*) FROM pg_inherits WHERE inhrelid = 'part_1'::regclass")|$(progress)" '0|0'
fi

# --- what needs a word of the author's
fresh others
sql 'CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES ($q$p$q$); COMMIT; END $$'
none 002_index 001_base 'SELECT 1;
VACUUM msg;' 'SELECT 1;'
expect_exit 2 pgtide upgrade
check 'refused by line' contains "$(cat "$T/err")" '002_index.sql:8'
check 'before the start' same "$(progress)|$(outcomes 002_index)" '0|'
none 002_index 001_base 'CALL commits();' 'SELECT 1;'
expect_exit 1 pgtide upgrade
check 'a procedure that commits' contains "$(cat "$T/err")" '+probe SELECT'
check 'has done nothing' same "$(sql 'SELECT count(*) FROM log')" 0
none 002_index 001_base '-- +rerunnable
VACUUM msg;
-- +probe SELECT count(*) = 1 FROM log
CALL commits();
ALTER SYSTEM SET log_min_duration_statement = 100000;
CREATE DATABASE made_by_units;' 'DROP DATABASE made_by_units;
DROP DATABASE IF EXISTS made_by_units;
ALTER SYSTEM RESET log_min_duration_statement;'
expect_exit 0 pgtide upgrade
check 'all ran' same "$(sql 'SELECT count(*) FROM log')|$(sql "SELECT count(*) FROM pg_database WHERE datname = 'made_by_units'")" '1|1'
expect_exit 0 pgtide downgrade 001_base
expect_exit 0 pgtide upgrade
check 'the probe knew' same "$(sql 'SELECT count(*) FROM log')" 1
none 003_probe 002_index '-- +probe SELECT false
CALL commits();' 'SELECT 1;'
expect_exit 5 pgtide upgrade
check 'a probe that is wrong' contains "$(cat "$T/err")" '+probe says that it has not happened'

# --- +verify looks afterwards; what was done stays
fresh verified
none 002_index 001_base "$index_revision" "$index_downgrade" 'SELECT false'
expect_exit 1 pgtide upgrade
check 'says that it stays' contains "$(cat "$T/err")" 'What its units did stays'
check 'not at the revision' same "$(rows)|$(indexes msg)" '001_base|msg_chan msg_pkey'
none 002_index 001_base "$index_revision" "$index_downgrade" 'INSERT INTO log VALUES ($$never$$)'
expect_exit 1 pgtide upgrade
check 'it only looks' contains "$(cat "$T/err")" 'read-only transaction'
none 002_index 001_base "$index_revision" "$index_downgrade" 'SELECT count(*) = 3 FROM log'
expect_exit 0 pgtide upgrade
all_there

# --- settings hold for what is behind them, each time, and for nothing else
fresh settings
sql 'CREATE ROLE units_owner; GRANT ALL ON SCHEMA public TO units_owner; CREATE SCHEMA aside; GRANT ALL ON SCHEMA aside TO units_owner'
none 002_index 001_base 'SET ROLE units_owner;
CREATE TABLE mine (id int);
SET search_path = aside;
CREATE TABLE mine_too (id int);
CREATE INDEX CONCURRENTLY mine_id ON mine_too (id);
RESET search_path;
RESET ROLE;
INSERT INTO log SELECT current_user;
CREATE UNIQUE INDEX CONCURRENTLY msg_chan ON msg (chan);' 'SELECT 1;'
expect_exit 1 pgtide upgrade
sql 'UPDATE msg SET chan = id'
expect_exit 0 pgtide upgrade
check 'owners and places' same "$(sql "SELECT string_agg(relnamespace::regnamespace || '.' || relname || ' ' || relowner::regrole, ', ' ORDER BY relname) FROM pg_class WHERE relname LIKE 'mine%'")" 'public.mine units_owner, aside.mine_id units_owner, aside.mine_too units_owner'
check 'not for the rest' same "$(sql 'SELECT * FROM log')" postgres

# --- one schema a tenant: each has its own index of the name
fresh tenants
for tenant in 'Tenant A' tenant_b; do
    sql "CREATE SCHEMA \"$tenant\""
    expect_exit 0 pgtide upgrade 001_base --schema "$tenant"
done
none 002_index 001_base "$index_revision" "$index_downgrade"
hold "$snapshot"
run_up upgrade --schema 'Tenant A'
wait_for 10 'the index build to wait' waiting 'CREATE INDEX'
kill -9 "$RUN_PID"
run_end
orphans_end one
wait_for 10 'its backend to notice' nobody
let_go
expect_exit 0 pgtide upgrade --schema tenant_b
check 'nobody else tidies it up' same "$(indexes '"Tenant A".msg')|$(indexes tenant_b.msg)|$(progress)" 'msg_chan INVALID msg_pkey|msg_chan msg_pkey|2'
expect_exit 0 pgtide upgrade --schema 'Tenant A'
check 'each has one' same "$(indexes '"Tenant A".msg')|$(indexes msg)|$(progress)" 'msg_chan msg_pkey|msg_pkey|0'
check 'each ran once' same "$(sql 'SELECT count(*) FROM "Tenant A".log')" 3

# --- a shard that has moved otherwise since: what ran before is no longer counted on
fresh moved
none 002_index 001_base "INSERT INTO log VALUES ('once');
CREATE UNIQUE INDEX CONCURRENTLY msg_chan ON msg (chan);" 'SELECT 1;'
expect_exit 1 pgtide upgrade
expect_exit 0 pgtide downgrade base
expect_exit 0 pgtide upgrade 001_base
sql 'UPDATE msg SET chan = id'
expect_exit 0 pgtide upgrade
check 'it ran in the new table' same "$(sql 'SELECT * FROM log')|$(indexes msg)|$(progress)" 'once|msg_chan msg_pkey|0'
