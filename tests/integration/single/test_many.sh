#!/usr/bin/env bash
# Many databases by one command: names, results, failures, --on-failure, exit statuses, JSON, signals, lost servers, and
# a thousand of them with few file descriptors.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin many
cluster_start one
project small
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;'
CLUSTER=one DATABASE=postgres
LOCAL="host=$T/one/socket user=postgres"
make() { # NAME…: databases, and a line each in $T/urls
    local name
    for name in "$@"; do sql "CREATE DATABASE $name"; done
    urls "$@"
}
urls() { for name in "$@"; do echo "$LOCAL dbname=$name"; done >"$T/urls"; }
in_each() { # SQL: the answer of every database of $T/urls, sorted and counted
    local name
    for name in $(grep -o 'dbname=[a-z0-9_]*' "$T/urls" | cut -d= -f2); do cluster_psql one "$name" -c "$1"; done | sort | uniq -c | sed 's/^ *//'
}
many() { pgtide "$@" --urls "$T/urls"; }

# --- all of them, up and down
make t1 t2 t3 t4 t5 t6 t7 t8 t9 t10 t11 t12
expect_exit 0 many upgrade
check 'a line for each, and the summary' same "$(grep -c ': at 003_last (3 steps' "$T/out")|$(grep -c '^12 databases in .* s: 12 done$' "$T/out")" '12|1'
check 'all stand there' same "$(in_each 'SELECT version_num FROM alembic_version')" '12 003_last'
expect_exit 0 many upgrade -j 3
check 'nothing to do' contains "$(cat "$T/out")" '12 nothing to do'
expect_exit 0 many current
check 'each is shown with its mark' same "$(grep -c '^t[0-9]*: 003_last (head)$' "$T/out")" 12
expect_exit 0 many downgrade 001_first --quiet
check 'quiet' same "$(cat "$T/out" "$T/err")" ''
check 'all are back' same "$(in_each 'SELECT version_num FROM alembic_version')" '12 001_first'
expect_exit 3 many current --check-heads
check 'a difference is no failure: all were asked' contains "$(cat "$T/out")" '12 different'
expect_exit 0 many stamp head
expect_exit 0 many stamp 001_first
expect_exit 0 many ensure-version

# --- names, remarks, schemas; no password is ever shown
sql 'CREATE DATABASE crm'
cluster_psql one crm -c 'CREATE SCHEMA acme' -c 'CREATE SCHEMA globex'
cat >"$T/urls" <<EOT
# tenants
acme    postgresql://postgres:s3cret@/crm?host=$T/one/socket schema=acme

postgresql://postgres:s3cret@/crm?host=$T/one/socket schema=globex
EOT
expect_exit 0 many upgrade
check 'a given name' contains "$(cat "$T/out")" 'acme: at 003_last'
check 'a made one' contains "$(cat "$T/out")" 'crm/globex: at 003_last'
check 'two shards of one database' same "$(cluster_psql one crm -c "SELECT string_agg(schema_name, ' ' ORDER BY schema_name) FROM pgtide.shard")" 'acme globex'
cat "$T/urls" >"$T/stdin"
expect_exit 0 pgtide current --urls - <"$T/stdin"
check 'from standard input' contains "$(cat "$T/out")" 'acme: 003_last (head)'
echo 'gone postgresql://postgres:s3cret@127.0.0.1:1/x' >"$T/urls"
expect_exit 6 many upgrade
check 'unreachable' contains "$(cat "$T/out")" '1 unavailable'
check 'no password in any output' same "$(cat "$T/out" "$T/err" | grep -c s3cret || true)" 0

# --- wrong files change nothing
urls t1 t2
echo 'not a url' >>"$T/urls"
expect_exit 2 many upgrade
check 'file and line' contains "$(cat "$T/err")" "$T/urls:3"
check 'nothing was begun' same "$(cluster_psql one t1 -c 'SELECT version_num FROM alembic_version')" 001_first
: >"$T/urls"
expect_exit 2 many upgrade
expect_exit 2 pgtide upgrade --urls "$T/nowhere"
urls t1 t2
for wrong in '-j 0' '-j 257' '-j x' '--on-failure maybe' '--url x'; do
    # shellcheck disable=SC2086
    expect_exit 2 many upgrade $wrong
done

# --- a failure stops new ones; those at work end
make f1 f2 f3 f4 f5 f6 f7 f8 f9
for name in f3 f5; do cluster_psql one "$name" -c 'CREATE TABLE second (other int)'; done
expect_exit 1 many upgrade -j 1
check 'the first two are done' contains "$(cat "$T/out")" '9 databases in'
check 'counted' contains "$(cat "$T/out")" '2 done, 6 not started, 1 failed'
check 'its place is said' contains "$(cat "$T/out")" 'failed: f3, stands at 001_first'
check 'its error, with name and line' contains "$(cat "$T/err")" 'pgtide: error: f3: relation "second" already exists'
check 'the others are named' contains "$(cat "$T/out")" 'not started: f9'
check 'they are untouched' same "$(cluster_psql one f4 -c "SELECT to_regclass('alembic_version')")" ''
expect_exit 1 many upgrade -j 1 --on-failure 1 --json
check 'one failure is allowed, the second stops' same "$(grep -c '"outcome":"not started"' "$T/out")|$(tail -n 1 "$T/out" | grep -o '"counts":{[^}]*}')" '0|"counts":{"done":1,"nothing to do":2,"different":0,"not started":4,"interrupted":0,"unavailable":0,"failed":2,"unknown":0}'
check 'an object a line' same "$(/usr/bin/python3 -c 'import json,sys; print(sum(json.loads(l)["pgtide"] for l in sys.stdin))' <"$T/out")" 6
check 'with the error' contains "$(cat "$T/out")" '"name":"f5","outcome":"failed","rows":["001_first"]'
expect_exit 1 many upgrade --on-failure continue -j 4
check 'all others are done' contains "$(cat "$T/out")" '4 done, 3 nothing to do, 2 failed'
for name in f3 f5; do cluster_psql one "$name" -c 'DROP TABLE second'; done
expect_exit 0 many upgrade
check 'mended' same "$(in_each 'SELECT version_num FROM alembic_version')" '9 003_last'

# --- busy and unreachable ones only: safe to try again
echo "$LOCAL dbname=nowhere" >>"$T/urls"
expect_exit 6 many upgrade --on-failure continue
check 'it is said' contains "$(cat "$T/err")" 'nowhere'
expect_exit 6 many downgrade base --on-failure 1 --dry-run
check 'the others were tried' same "$(grep -c 'dry run: 3 steps would succeed and lead to base' "$T/out")" 9

# --- a connection lost at work: read again, once, in each database
urls f1 f2 f3
revision 004_wait 003_last 'CREATE TABLE fourth (id int); SELECT pg_advisory_xact_lock(42);' 'DROP TABLE fourth;'
locks() { for name in f1 f2 f3; do
    CLUSTER=one DATABASE=$name hold_lock_in "$name"
done; }
hold_lock_in() {
    mkfifo "$T/lock-$1"
    cluster_psql one "$1" <"$T/lock-$1" >/dev/null &
    PIDS+=("$!")
    exec {fd}>"$T/lock-$1"
    HELD+=("$fd")
    echo 'SELECT pg_advisory_lock(42);' >&"$fd"
    rm "$T/lock-$1"
    wait_for 10 "lock 42 of $1 to be held" sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd $1 -c \"SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND objid = 42 AND granted AND datname = '$1'\") = 1 ]"
}
let_go() {
    for fd in "${HELD[@]}"; do
        echo '\q' >&"$fd"
        exec {fd}>&-
    done
    HELD=()
}
all_wait() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted")" = 3 ]; }
none_waits() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted")" = 0 ]; }
start() {
    "$BIN/pgtide" "$@" --urls "$T/urls" >"$T/many.out" 2>"$T/many.err" &
    MANY_PID=$!
    PIDS+=("$MANY_PID")
}
ends_with() { # STATUS
    local status=0
    wait "$MANY_PID" || status=$?
    same "$status" "$1"
}
HELD=()
locks
start upgrade --lock-timeout 60s
wait_for 20 'all three to reach their lock' all_wait
sql "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted" >/dev/null
check 'safe to try again' ends_with 6
check 'each says that it did not happen' same "$(grep -c 'the step did not happen' "$T/many.err")" 3
check 'none moved' same "$(in_each 'SELECT version_num FROM alembic_version')" '3 003_last'

# --- Ctrl-C: what runs rolls back, nothing new starts, the summary says where each stands
urls f1 f2 f3 f4 f5
start upgrade --lock-timeout 60s -j 3
wait_for 20 'all three to reach their lock' all_wait
kill -INT "$MANY_PID"
check 'ended by the signal' ends_with 130
check 'three were interrupted, two not started' contains "$(cat "$T/many.out")" '2 not started, 3 interrupted'
check 'each with its place' same "$(grep -c 'interrupted: f[123], stands at 003_last' "$T/many.out")" 3
check 'rolled back' same "$(in_each 'SELECT version_num FROM alembic_version')" '5 003_last'

# --- kill -9 of the whole: every backend notices and rolls back, and the next run goes on
start upgrade --lock-timeout 60s -j 3
wait_for 20 'all three to reach their lock' all_wait
kill -9 "$MANY_PID"
wait "$MANY_PID" 2>/dev/null || true
orphans_end one
wait_for 20 'the orphans to notice' none_waits
let_go
expect_exit 0 many upgrade --wait 60s
check 'each applied once' same "$(in_each "SELECT count(*) FROM pgtide.history WHERE revision = '004_wait' AND outcome = 'succeeded'")" '5 1'

# --- servers that take connections and never answer hold up nobody else
/usr/bin/python3 -c 'import signal, socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
s.listen(100)
print(s.getsockname()[1], flush=True)
signal.pause()' >"$T/dead.port" &
PIDS+=("$!")
wait_for 10 'the silent server' test -s "$T/dead.port"
dead=$(cat "$T/dead.port")
cluster_port() { if [ "$1" = two ]; then echo $((dead < 65000 ? dead + 1 : dead - 1)); else echo 5432; fi; }
cluster_start two listen_addresses=127.0.0.1 "port=$(cluster_port two)"
for ((i = 1; i <= 9; i++)); do echo "host=127.0.0.1 port=$dead dbname=silent$i user=postgres"; done >"$T/urls"
echo "host=127.0.0.1 port=$(cluster_port two) dbname=postgres user=postgres" >>"$T/urls"
start upgrade -j 10 --on-failure continue
wait_for 9 'the one that answers to be done' grep -q '^postgres: at ' "$T/many.out"
kill -INT "$MANY_PID"
check 'ended by the signal' ends_with 130
check 'the others were interrupted while connecting' contains "$(cat "$T/many.out")" '1 done, 9 interrupted'
cluster_stop two

# --- a thousand, though no more than forty descriptors may be open
sql 'CREATE DATABASE thousand'
for ((i = 1; i <= 1000; i++)); do echo "CREATE SCHEMA s$i;"; done | cluster_psql one thousand
for ((i = 1; i <= 1000; i++)); do echo "$LOCAL dbname=thousand schema=s$i"; done >"$T/urls"
revision 002_wait 001_first 'SELECT 1;' 'SELECT 1;'
rm "$PROJECT/versions/003_last.sql" "$PROJECT/versions/004_wait.sql"
expect_exit 0 bash -c "ulimit -n 40; '$BIN/pgtide' upgrade --urls '$T/urls' --quiet --json >'$T/thousand.json'"
check 'all of them' contains "$(tail -n 1 "$T/thousand.json")" '"done":1000,'
check 'in each schema' same "$(cluster_psql one thousand -c "SELECT count(*) FROM pgtide.history WHERE direction = 'upgrade'")" 2000
