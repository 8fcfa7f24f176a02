# Sourced by the tests of one database: a project of three revisions, and a lock to stop a step in its middle.
#
#   project DIR            a project whose 002_wait waits for advisory lock 42 after its DDL
#   database CLUSTER NAME  makes it and points PGTIDE_URL at it
#   hold_lock              takes lock 42 in a session of its own; release_lock lets it go
#   rows                   the version rows, as SQL sees them

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cluster.sh"

pgtide() { "$BIN/pgtide" "$@"; }

revision() { # ID PARENT UPGRADE DOWNGRADE [VERIFY]
    {
        printf -- '-- revision: %s\n' "$1"
        [ -z "$2" ] || printf -- '-- revises: %s\n' "$2"
        printf -- '-- message: %s\n\n-- +upgrade\n%s\n\n-- +downgrade\n%s\n' "$1" "$3" "$4"
        [ -z "${5:-}" ] || printf -- '\n-- +verify\n%s\n' "$5"
    } >"$PROJECT/versions/$1.sql"
}

project() {
    PROJECT=$T/$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
    revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
    revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE second;'
    revision 003_last 002_wait 'CREATE TABLE third (id int PRIMARY KEY);' 'DROP TABLE third;'
}

database() {
    CLUSTER=$1 DATABASE=$2
    cluster_psql "$1" postgres -c "CREATE DATABASE $2"
    PGTIDE_URL=$(cluster_url "$1" "$2")
    export PGTIDE_URL
}

# A query that fails says so on stdout too: no check that there is nothing may pass by it.
sql() { cluster_psql "$CLUSTER" "$DATABASE" -c "$1" || { echo 'the query failed' && return 1; }; }
rows() {
    [ -z "$(sql "SELECT to_regclass('alembic_version')")" ] || sql 'SELECT version_num FROM alembic_version ORDER BY 1'
}
history() { sql "SELECT direction, revision, outcome FROM pgtide.history WHERE direction IN ('upgrade', 'downgrade', 'stamp') ORDER BY seq"; }

hold_lock() {
    mkfifo "$T/lock"
    cluster_psql "$CLUSTER" "$DATABASE" <"$T/lock" >/dev/null &
    LOCK_PID=$!
    PIDS+=("$LOCK_PID")
    exec 9>"$T/lock"
    echo 'SELECT pg_advisory_lock(42);' >&9
    wait_for 10 'lock 42 to be held' is_held
}

release_lock() {
    echo '\q' >&9 # other children may still have the pipe open
    exec 9>&-
    wait "$LOCK_PID"
    rm "$T/lock"
}

is_held() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND granted")" = 1 ]; }
step_waits() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted")" = 1 ]; }
no_step_waits() { ! step_waits; }
step_commits() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")" = 1 ]; }

on_failure() { tail -n 20 "$T"/*.err "$T"/*.out 2>/dev/null; }
