#!/usr/bin/env bash
# What a server tells of itself holds backfills back: a standby that stands still, an archive that takes nothing, for a
# role of pg_monitor that is no superuser.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin batch_server
cluster_start one archive_mode=on "archive_command=test ! -e $T/block"

run_up() { # in the background
    "$BIN/pgtide" upgrade "$@" >"$T/run.out" 2>"$T/run.err" &
    RUN_PID=$!
    PIDS+=("$RUN_PID")
}
run_end() { # its exit status goes to $status
    status=0
    wait "$RUN_PID" 2>/dev/null || status=$?
}
says() { grep -q "held back: $1" "$T/run.err"; }
fill() { # NAME SETTINGS
    database one "$1"
    rm -rf "$T/p"
    project p
    rm "$PROJECT"/versions/*
    revision 001_base '' 'CREATE TABLE t (id int PRIMARY KEY, n int NOT NULL DEFAULT 0);
INSERT INTO t SELECT i FROM generate_series(1, 4000) i;' 'DROP TABLE t;'
    expect_exit 0 pgtide upgrade
    revision 002_fill 001_base '-- +batch key=id table=t size=100 target=none pause=20ms
UPDATE t SET n = n + 1 WHERE /*+batch*/ true;' 'SELECT 1;'
    sed -i 's/^-- message:/-- transaction: none\n&/' "$PROJECT/versions/002_fill.sql"
    printf 'versions: versions\nbackfill: {%s}\n' "$2" >"$PGTIDE_CONFIG"
}
goes_on() { # WHAT held it back
    run_end
    check "$1: it goes on by itself" test "$status" -eq 0
    check "$1: each row once" same "$(sql "SELECT count(*) || ' ' || min(n) || ' ' || max(n) FROM t")" '4000 1 1'
}

# --- an archive that takes nothing
fill archive 'archive-backlog: 2, replica-lag: none, wal-rate: none'
switch() { sql 'SELECT pg_switch_wal()' >/dev/null && sql 'CREATE TABLE more (); DROP TABLE more' >/dev/null; }
archived() { [ "$(sql "SELECT last_archived_wal ~ '^[0-9A-F]{24}$' FROM pg_stat_archiver")" = t ]; }
switch
wait_for 30 'a file to be archived' archived
touch "$T/block"
for _ in 1 2 3 4; do switch; done
run_up
wait_for 30 'the archive to be told' says '[34] WAL files to archive'
check 'nothing is done meanwhile' same "$(sql 'SELECT max(n) FROM t')" 0
rm "$T/block"
switch # the archiver looks again
goes_on 'an archive'

# --- a standby that stands still, seen by a role of pg_monitor
mkdir "$T/copy" "$T/copy/socket"
[ "$(id -u)" -ne 0 ] || chown -R "$PG_USER" "$T/copy"
as_pg "$PG_BIN/pg_basebackup" -h "$T/one/socket" -U postgres -D "$T/copy/data" -R --checkpoint=fast -X stream >/dev/null
printf "unix_socket_directories = '%s'\ncluster_name = 'copy'\n" "$T/copy/socket" | as_pg tee -a "$T/copy/data/postgresql.conf" >/dev/null
CLUSTERS+=(copy)
cluster_up copy
streams() { [ "$(sql "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL")" = 1 ]; }
wait_for 30 'the standby to stream' streams
fill lag 'replica-lag: 1s, wal-rate: none, archive-backlog: none'
sql "CREATE ROLE worker LOGIN; GRANT pg_monitor TO worker; ALTER DATABASE lag OWNER TO worker; ALTER SCHEMA public OWNER TO worker;
ALTER TABLE t OWNER TO worker; ALTER TABLE alembic_version OWNER TO worker; ALTER SCHEMA pgtide OWNER TO worker;
ALTER TABLE pgtide.meta OWNER TO worker; ALTER TABLE pgtide.shard OWNER TO worker; ALTER TABLE pgtide.history OWNER TO worker;
ALTER TABLE pgtide.progress OWNER TO worker;" >/dev/null
PGTIDE_URL=${PGTIDE_URL/postgres@/worker@}
cluster_psql copy postgres -c 'SELECT pg_wal_replay_pause()' >/dev/null
run_up
wait_for 60 'the lag to be told' says 'replica lag [0-9]*\.[0-9] s'
check 'it has begun, and not ended' test "$(sql 'SELECT max(n) || min(n)::text FROM t')" != 11
cluster_psql copy postgres -c 'SELECT pg_wal_replay_resume()' >/dev/null
goes_on 'a standby'
