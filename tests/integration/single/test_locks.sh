#!/usr/bin/env bash
# A step is in nobody's way for longer than its lock budget, whether it waits for its lock or holds it; it tells whom it
# waits for, and is tried again until they have gone. What looks on is not there for quick steps, and not needed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin locks
cluster_start one log_connections=on

migration() { # of one revision, UPGRADE and more header lines
    PROJECT=$T/project
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    rm -rf "$PROJECT"
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PGTIDE_CONFIG"
    {
        printf -- '-- revision: 001_items\n-- message: items\n'
        [ -z "${2:-}" ] || printf -- '%s\n' "$2"
        printf -- '\n-- +upgrade\n%s\n\n-- +downgrade\nSELECT 1;\n' "$1"
    } >"$PROJECT/versions/001_items.sql"
}
with_items() { # a database NAME with a table and a session of its own that can be told what to do
    database one "$1"
    sql 'CREATE TABLE items (id int PRIMARY KEY, note text); INSERT INTO items SELECT g, g FROM generate_series(1, 100) g'
    mkfifo "$T/other"
    PGAPPNAME=shop cluster_psql one "$1" <"$T/other" >"$T/other.out" &
    OTHER_PID=$!
    PIDS+=("$OTHER_PID")
    exec 9>"$T/other"
    rm "$T/other"
}
other() { # runs a statement in that session, to its end
    echo "$1;" >&9
    echo "SELECT 'done $((told += 1))';" >&9
    wait_for 10 "$1" grep -qx "done $told" "$T/other.out"
}
no_other() {
    echo '\q' >&9 # other children may still have the pipe open
    exec 9>&-
    wait "$OTHER_PID"
}
told=0
reader() { cluster_psql one "$DATABASE" -c "SET lock_timeout = '5s'" -c 'SELECT count(*) FROM items'; }
upgrade() { # in the background
    "$BIN/pgtide" upgrade "$@" >"$T/upgrade.out" 2>"$T/upgrade.err" &
    UPGRADE_PID=$!
    PIDS+=("$UPGRADE_PID")
}
upgrade_ends() {
    local status=0
    wait "$UPGRADE_PID" || status=$?
    check "exit status of the upgrade" same "$status" "$1"
}
says() { grep -q "$1" "$T/upgrade.err"; }
waits_for() { # a relation: somebody but the watch's own has waited for a lock on it for so many seconds
    [ "$(sql "SELECT count(*) > 0 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE relation = '$1'::regclass AND NOT granted
        AND clock_timestamp() - coalesce((to_jsonb(l) ->> 'waitstart')::timestamptz, a.query_start) > '$2 s'::interval")" = t ]
}
holds_items() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = 'items'::regclass AND mode = 'AccessExclusiveLock' AND granted")" = 1 ]; }
has_column() { sql "SELECT count(*) FROM information_schema.columns WHERE table_name = 'items' AND column_name = 'bio'"; }
watches() { grep -c 'application_name=pgtide watch' "$T/one/log" || true; }
error_is() { # CODE and words of the --json error in $T/out
    check "the error's code" same "$(json 'd["error"]["code"]' <"$T/out")" "$1"
    check "its words" contains "$(cat "$T/out")" "$2"
}
json() { /usr/bin/python3 -c "import json, sys; d = json.load(sys.stdin); print($1)"; }
ADD='ALTER TABLE items ADD COLUMN bio text;'

# --- a quick step has nobody look on
migration "$ADD"
with_items quick
expect_exit 0 pgtide upgrade
check 'no second connection' same "$(watches)" 0
no_other

# --- behind a transaction that stays open: named, tried again, and done when it has gone; nobody is held up meanwhile
with_items behind
other 'BEGIN'
other 'SELECT count(*) FROM items'
blocker=$(sql "SELECT pid FROM pg_stat_activity WHERE application_name = 'shop'")
upgrade --lock-attempts 1000
wait_for 20 'a third try' says 'trying again (3 of 1000)'
check 'the blocker is named' says "upgrade 001_items: a lock was not granted in time: $blocker (postgres, shop, idle in transaction, in its transaction for [0-9]* s) holds it; trying again (2 of 1000)"
for _ in 1 2 3 4 5; do reader >/dev/null; done
check 'readers have read' true
wait_for 20 'it not to queue again' says "$blocker (postgres, shop, idle in transaction, in its transaction for [0-9]* s) still holds the lock; it was not queued for"
no_other
upgrade_ends 0
check 'it is there' same "$(has_column)" 1
check 'once' same "$(history)" 'upgrade|001_items|succeeded'

# --- in vain: exit status 6, and nothing has changed
with_items vain
other 'BEGIN; SELECT count(*) FROM items'
expect_exit 6 pgtide upgrade --lock-attempts 2 --json
error_is LOCK_TIMEOUT "shop, idle in transaction"
check 'the place' same "$(json 'd["error"]["line"]' <"$T/out")" 5
check 'tried twice' same "$(grep -c 'trying again' "$T/err")" 1
check 'not there' same "$(has_column)" 0
check 'no row of it' same "$(rows)" ''

# --- Ctrl-C between two tries
upgrade --lock-attempts 1000
wait_for 20 'a pause' says 'trying again (5 of 1000)'
kill -INT "$UPGRADE_PID"
upgrade_ends 130
check 'what it says' says 'interrupted'
check 'nothing of it is left' same "$(has_column)$(rows)" 0
check 'no session is left' same "$(sql "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtide%'")" 0
no_other

# --- who waits behind a step that works on: it is cancelled, three times at most
migration "$ADD
SELECT pg_sleep(600);"
with_items holding
upgrade --json
for try in 1 2 3; do
    wait_for 20 "try $try to hold its lock" holds_items
    check "a reader gets through try $try" same "$(reader)" 100
done
upgrade_ends 1
cp "$T/upgrade.out" "$T/out"
error_is LOCK_BUDGET '1 session waited behind it, the longest for'
check 'the statement' contains "$(cat "$T/out")" '"line":6'
check 'what to do' contains "$(cat "$T/out")" 'pgtide revision --safe'
check 'nothing of it is left' same "$(has_column)$(rows)" 0
check 'each is in the history' same "$(sql "SELECT count(*) FROM pgtide.history WHERE outcome = 'failed' AND sqlstate = '57014'")" 3
no_other

# --- one that waits itself while others wait behind it is cancelled too, and may be tried again
migration "$ADD
SELECT pg_advisory_xact_lock(42);" '-- lock-timeout: 60s'
with_items waiting
other 'SELECT pg_advisory_lock(42)'
upgrade --lock-attempts 1 --json
wait_for 20 'it to hold its first lock' holds_items
check 'a reader gets through' same "$(reader)" 100
upgrade_ends 6
cp "$T/upgrade.out" "$T/out"
error_is LOCK_TIMEOUT 'cancelled while it waited for a lock that'
no_other

# --- who waits for the version table is another run: that is what its lock is for
with_items another
other 'SELECT pg_advisory_lock(42)'
upgrade
wait_for 20 'it to hold its first lock' holds_items
cluster_psql one another -c 'BEGIN' -c 'LOCK TABLE alembic_version IN ROW EXCLUSIVE MODE' >/dev/null &
PIDS+=($!)
wait_for 20 'the other to wait longer than the budget' waits_for alembic_version 2
no_other
upgrade_ends 0

# --- without a budget, by the revision's word
migration "$ADD
SELECT pg_advisory_xact_lock(42);" '-- lock-timeout: 60s
-- lock-budget: none'
with_items unlimited
other 'SELECT pg_advisory_lock(42)'
upgrade --lock-budget 200ms
wait_for 20 'it to hold its first lock' holds_items
reader >/dev/null &
PIDS+=($!)
wait_for 20 'a reader to wait longer than the budget' waits_for items 2
no_other
upgrade_ends 0

# --- an index built concurrently: how far it is and for whom it waits; it stands back for others like any step
migration 'CREATE INDEX CONCURRENTLY items_note ON items (note);' '-- transaction: none'
with_items index
sql 'CREATE TABLE elsewhere (id int)'
other 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM elsewhere'
upgrade
wait_for 30 'a line of progress' says 'upgrade 001_items: CREATE INDEX CONCURRENTLY items_note ON items: 98%, waits for a lock behind [0-9]* (postgres, shop, idle in transaction'
no_other
upgrade_ends 0
check 'it is valid' same "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_note'::regclass")" t
with_items index_behind
sql 'CREATE TABLE elsewhere (id int)'
other 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM elsewhere'
upgrade --lock-attempts 1 --json
index_is_there() { [ -n "$(sql "SELECT to_regclass('items_note')")" ]; }
wait_for 20 'the build' index_is_there
sql "SET lock_timeout = '20s'; ALTER TABLE items ADD COLUMN other int"
upgrade_ends 6
cp "$T/upgrade.out" "$T/out"
error_is LOCK_TIMEOUT 'cancelled while it waited for a lock that'
no_other
pgtide upgrade --quiet
check 'the next run builds it' same "$(sql "SELECT indisvalid FROM pg_index WHERE indexrelid = 'items_note'::regclass")" t

# --- a batch of a backfill that others wait for is made smaller until they don't
migration "-- +batch key=id table=items size=100 target=none
UPDATE items SET note = 'was ' || note || pg_sleep(0.03) WHERE /*+batch*/ true;" '-- transaction: none'
with_items backfill
writer() { while [ ! -e "$T/enough" ]; do cluster_psql one backfill -c "SET lock_timeout = '5s'; UPDATE items SET note = 'here' WHERE id = 1" || touch "$T/held"; done; }
cancelled() { grep -c 'canceling statement due to user request' "$T/one/log" || true; }
before=$(cancelled)
writer &
WRITER_PID=$!
PIDS+=("$WRITER_PID")
expect_exit 0 pgtide upgrade --lock-budget 500ms
touch "$T/enough"
wait "$WRITER_PID"
check 'a batch stood back' test "$(cancelled)" -gt "$before"
check 'the writer always got through' test ! -e "$T/held"
check 'each row once' same "$(sql "SELECT count(*) FROM items WHERE note LIKE 'was was%'")/$(sql "SELECT count(*) FROM items WHERE id > 1 AND note LIKE 'was %'")" 0/99
no_other

# --- a role that may not see what others do says so
migration "$ADD"
with_items hidden
sql 'CREATE ROLE plain LOGIN; GRANT ALL ON DATABASE hidden TO plain; GRANT ALL ON SCHEMA public TO plain; ALTER TABLE items OWNER TO plain'
other 'BEGIN; SELECT count(*) FROM items'
PGTIDE_URL=${PGTIDE_URL/postgres@/plain@}
# Long enough for the second connection's first look, however busy the machine is.
expect_exit 6 pgtide upgrade --lock-attempts 1 --lock-timeout 5s
check 'what it may see' contains "$(cat "$T/err")" '(postgres, shop, not visible) holds it'

# --- without a second connection the lock timeout is what limits a step
sql 'ALTER ROLE plain CONNECTION LIMIT 1'
expect_exit 6 pgtide upgrade --lock-attempts 1
check 'what the server says' contains "$(cat "$T/err")" 'lock timeout'
no_other
expect_exit 0 pgtide upgrade

# --- another run makes the database's schema pgtide, and takes longer than one wait
with_items made
waits_given_up() { grep -c 'canceling statement due to lock timeout' "$T/one/log" || true; }
before=$(waits_given_up)
gave_up() { [ "$(waits_given_up)" -gt "$before" ]; }
other 'BEGIN; CREATE SCHEMA pgtide'
upgrade --lock-timeout 3s
wait_for 30 'a wait to end in vain' gave_up
other 'ROLLBACK'
upgrade_ends 0
check 'it is there' same "$(has_column)" 1
no_other

# --- what can't be meant is refused
expect_exit 2 pgtide upgrade --lock-budget 5ms
check 'the bounds' contains "$(cat "$T/err")" '100ms to 10m, or none'
expect_exit 2 pgtide upgrade --lock-attempts 0
migration "$ADD" '-- lock-budget: soon'
expect_exit 2 pgtide upgrade
check 'its line' contains "$(cat "$T/err")" '001_items.sql:3'
