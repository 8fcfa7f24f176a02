# Sourced by the tests of a fleet: real clusters, the real coordinator and agents, and a project of our own.
#
#   project NAME                  an empty project, $PROJECT; revision ID PARENT UPGRADE DOWNGRADE [VERIFY] adds to it
#   bundle NAME [CONFIG]          builds and signs $T/NAME.bundle from the project (or that configuration)
#   rollout_yaml FILE NAME BUNDLE LINE…   a rollout of one wave, one approval, without backups; LINEs are added
#   plan NAME                     $T/NAME.yaml -> $T/NAME.plan, by alice
#   approved NAME                 the same, approved by bob
#   started NAME                  the same, started by alice
#   state NAME [FIELD]            of a rollout, as its status says
#   is_over NAME                  it moves no more; is_state NAME STATE
#   shard_field ROLLOUT SHARD FIELD
#   sql CLUSTER DATABASE QUERY    as superuser
#   rows CLUSTER DATABASE         its version rows; '' when it has none
#   done_once CLUSTER DATABASE    "N/N": succeeded rows in its history and distinct operations among them
#   history CLUSTER DATABASE      "direction:outcome:revision …" of what was run, in order
#   hold_lock CLUSTER DATABASE / release_lock     advisory lock 42
#   waits_for_lock CLUSTER DATABASE
#   expect_error STATUS CODE WORDS CMD…   CMD --json fails so; WORDS are in its message, detail or hint

. "$(dirname "${BASH_SOURCE[0]}")/../../lib/cluster.sh"
. "$ROOT/deploy/fleet.sh"
FLEET_FINGERPRINT='{enabled: false}' # reading all schemas at each start is most of the work of a small fleet
unset PGTIDE_CONFIG PGTIDE_URL PGTIDE_KEY PGTIDE_TRUST PGTIDE_COORDINATOR

on_failure() {
    local log
    for log in "$T"/*/*.log "$T/out" "$T/err"; do
        [ ! -f "$log" ] || { printf '%s\n' "--- ${log#"$T"/}" && tail -n "${PGTIDE_TEST_LOG_LINES:-20}" "$log"; }
    done >&2
}

project() {
    PROJECT=$T/$1
    mkdir -p "$PROJECT/versions"
    echo 'versions: versions' >"$PROJECT/pgtide.yaml"
}

revision() {
    {
        printf -- '-- revision: %s\n' "$1"
        [ -z "$2" ] || printf -- '-- revises: %s\n' "$2"
        printf -- '-- message: %s\n\n-- +upgrade\n%s\n\n-- +downgrade\n%s\n' "$1" "$3" "$4"
        [ -z "${5:-}" ] || printf -- '\n-- +verify\n%s\n' "$5"
    } >"$PROJECT/versions/$1.sql"
}

bundle() {
    "$BIN/pgtide" bundle build --config "${2:-$PROJECT/pgtide.yaml}" --name "$1" -o "$T/$1.bundle" >/dev/null
    "$BIN/pgtide" bundle sign "$T/$1.bundle" --key "$T/release/release.key" >/dev/null
}

rollout_yaml() {
    local file=$1 name=$2 bundle=$3
    shift 3
    {
        printf 'rollout: %s\nbundle: %s\n' "$name" "$bundle"
        [[ "$*" = *backup:* ]] || printf 'backup: {method: none}\n'
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$file"
}

plan() { alice rollout plan "$T/$1.yaml" -o "$T/$1.plan" >/dev/null; }
approved() { plan "$1" && bob rollout approve "$T/$1.plan" >/dev/null; }
started() { approved "$1" && alice rollout start "$T/$1.plan" >/dev/null; }

state() { alice rollout status "$1" --json | json "d['result']['${2:-state}']"; }
is_state() { [ "$(state "$1")" = "$2" ]; }
# It stands still: over, or halted and nothing under way.
is_over() {
    alice rollout status "$1" --json | json "d['result']['terminal'] or (d['result']['state'] == 'halted' and not d['result']['stopping'])" |
        grep -qx true
}
shard_field() {
    alice rollout status "$1" --shards --json | json "[s for s in d['result']['shards'] if s['name'] == '$2'][0]['$3']"
}
shard_is() { [ "$(shard_field "$1" "$2" "$3")" = "$4" ]; }
progress() { alice rollout status "$1" --json | json "d['result']['progress']['$2']"; }

expect_error() {
    local status=$1 code=$2 words=$3
    shift 3
    expect_exit "$status" "$@" --json
    json '" | ".join(str(d["error"][k]) for k in ("code", "message", "detail", "hint", "file", "line"))' <"$T/out" >"$T/error"
    check "the error's code: $*" same "$(sed '1s/ |.*//;q' "$T/error")" "$code"
    check "its words: $*" contains "$(cat "$T/error")" "$words"
}

# A query that fails says so on stdout too: no check that there is nothing may pass by it.
sql() { cluster_psql "$1" "$2" -c "$3" || { echo 'the query failed' && return 1; }; }
rows() {
    [ -z "$(sql "$1" "$2" "SELECT to_regclass('alembic_version')")" ] ||
        sql "$1" "$2" "SELECT string_agg(version_num, ',' ORDER BY version_num) FROM alembic_version"
}
done_once() {
    sql "$1" "$2" "SELECT count(*) || '/' || count(DISTINCT operation) FROM pgtide.history
        WHERE direction IN ('upgrade', 'downgrade') AND outcome = 'succeeded'"
}
history() {
    sql "$1" "$2" "SELECT string_agg(direction || ':' || outcome || ':' || revision, ' ' ORDER BY seq)
        FROM pgtide.history WHERE direction IN ('upgrade', 'downgrade')"
}

hold_lock() {
    rm -f "$T/lock"
    mkfifo "$T/lock"
    PGHOST="$T/$1/socket" "$PG_BIN/psql" -X -q -U postgres -d "$2" <"$T/lock" >/dev/null & # itself, to be killed
    LOCK_PID=$!
    PIDS+=("$LOCK_PID")
    exec 9>"$T/lock"
    echo 'SELECT pg_advisory_lock(42);' >&9
    wait_for 10 'lock 42 to be held' holds_lock "$1" "$2"
}
release_lock() {
    echo '\q' >&9 # other children may still have the pipe open
    exec 9>&-
    wait "$LOCK_PID"
}
count_locks() {
    sql "$1" postgres "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = '$2' AND l.locktype = 'advisory' AND l.objid = 42 AND l.granted = $3"
}
holds_lock() { [ "$(count_locks "$1" "$2" true)" = 1 ]; }
waits_for_lock() { [ "$(count_locks "$1" "$2" false)" = 1 ]; }
