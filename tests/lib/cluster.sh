# Sourced by test scripts and deploy/demo: PostgreSQL clusters of our own, as an unprivileged user, on unix sockets,
# gone when the script ends.
#
#   test_begin NAME               a fresh directory $T (removed at exit, or kept with PGTIDE_KEEP=1)
#   cluster_start NAME [k=v ...]  initdb and start; its socket directory is $T/NAME/socket, port in $(cluster_port NAME)
#   cluster_stop NAME [mode]      fast by default
#   cluster_restart NAME [mode]
#   cluster_url NAME DATABASE     a libpq url for superuser "postgres"
#   pg_major                      the servers' major version
#   orphans_end NAME              sessions of killed pgtides: before PostgreSQL 14 a server does not notice
#   cluster_psql NAME DATABASE …  psql -X -A -t -v ON_ERROR_STOP=1
#   wait_for SECONDS WHAT CMD…    until CMD succeeds; fails with WHAT otherwise
#   expect_exit STATUS CMD…       CMD must end with that status; its output is in $T/out and $T/err
#   check WHAT CMD…               counts a passed check, or says WHAT failed and ends the script

PG_BIN=${PG_BIN:-$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)}
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BIN=${PGTIDE_BIN:-$ROOT/build/bin}
export NO_COLOR=1
checks=0

# PostgreSQL refuses root, and the user it runs as must reach its own directory.
if [ "$(id -u)" -eq 0 ]; then
    PG_USER=${PG_USER:-postgres}
    as_pg() { (cd / && exec runuser -u "$PG_USER" -- "$@"); } # it may not enter where we are
else
    PG_USER=$(id -un)
    as_pg() { "$@"; }
fi

test_begin() {
    TEST_NAME=$1
    T=$(mktemp -d "${TMPDIR:-/tmp}/pgtide-$1-XXXXXX")
    chmod 755 "$T"
    CLUSTERS=()
    PIDS=()
    STARTING=() # subshells that start clusters
    trap test_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    as_pg test -x "$T" || {
        echo "$1: user $PG_USER may not enter ${T%/*}: set TMPDIR to a directory that it may" >&2
        exit 1
    }
}

test_end() {
    local status=$?
    trap - EXIT
    set +e
    local pid name
    trap 'kill -KILL "${PIDS[@]}" 2>/dev/null' INT TERM # somebody is impatient
    for pid in "${PIDS[@]}"; do kill -CONT "$pid" 2>/dev/null; kill "$pid" 2>/dev/null; done
    local end=$((SECONDS + 10)) # an agent in the middle of a step waits for it, perhaps for ever
    for pid in "${PIDS[@]}"; do
        while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$end" ]; do read -r -t 0.05 <> <(:); done
        kill -9 "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    trap '' INT TERM
    for pid in "${STARTING[@]}"; do wait "$pid" 2>/dev/null; done
    for name in "${CLUSTERS[@]}"; do cluster_stop "$name" immediate >/dev/null 2>&1; done
    if [ "$status" -ne 0 ] && [ "$status" -ne 130 ] && declare -f on_failure >/dev/null; then on_failure; fi
    if [ -n "${PGTIDE_KEEP:-}" ]; then echo "kept: $T" >&2; else rm -rf "$T"; fi
    [ "$status" -eq 0 ] && [ "$checks" -gt 0 ] && echo "$TEST_NAME: $checks checks passed"
    exit "$status"
}

pg_major() { "$PG_BIN/postgres" --version | sed 's/.*) \([0-9]*\).*/\1/'; }

orphans_end() {
    [ "$(pg_major)" -ge 14 ] || cluster_psql "$1" postgres -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name LIKE 'pgtide%'" >/dev/null
}

# A port only names the socket file here; each cluster has a socket directory of its own.
cluster_port() { echo 5432; }

cluster_start() {
    local name=$1 dir="$T/$1" setting
    shift
    mkdir -p "$dir/socket"
    [ "$(id -u)" -ne 0 ] || chown -R "$PG_USER" "$dir"
    as_pg "$PG_BIN/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$T/initdb-$name.log" 2>&1 || {
        cat "$T/initdb-$name.log" >&2
        return 1
    }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$dir/socket'"
        echo "shared_buffers = 32MB"
        echo "max_connections = 200"
        echo "cluster_name = '$name'"
        echo "password_encryption = 'scram-sha-256'" # as it is from 14 on
        for setting in "$@"; do echo "${setting%%=*} = '${setting#*=}'"; done
    } | as_pg tee -a "$dir/data/postgresql.conf" >/dev/null
    CLUSTERS+=("$name")
    cluster_up "$name"
}

cluster_up() {
    as_pg "$PG_BIN/pg_ctl" -D "$T/$1/data" -l "$T/$1/log" -w -t 60 start >/dev/null || {
        tail -n 20 "$T/$1/log" >&2
        return 1
    }
}

cluster_stop() { as_pg "$PG_BIN/pg_ctl" -D "$T/$1/data" -m "${2:-fast}" -w -t 60 stop >/dev/null; }

cluster_restart() {
    cluster_stop "$1" "${2:-fast}"
    cluster_up "$1"
}

cluster_url() { echo "postgresql://postgres@/$2?host=$T/$1/socket&port=$(cluster_port "$1")"; }

cluster_psql() {
    local name=$1 database=$2
    shift 2
    PGHOST="$T/$name/socket" PGPORT=$(cluster_port "$name") PGUSER=postgres PGDATABASE=$database \
        "$PG_BIN/psql" -X -A -t -q -v ON_ERROR_STOP=1 "$@"
}

wait_for() {
    local seconds=$1 what=$2 end
    shift 2
    end=$((SECONDS + 3 * seconds)) # only a test that would hang forever needs it, and a busy machine is no failure
    until "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "$TEST_NAME: waited $((3 * seconds)) s in vain: $what" >&2
            return 1
        fi
        read -r -t 0.05 <> <(:) || true # a pause without a process
    done
}

expect_exit() {
    local wanted=$1 status=0
    shift
    "$@" >"$T/out" 2>"$T/err" || status=$?
    if [ "$status" -ne "$wanted" ]; then
        echo "$TEST_NAME: exit status $status instead of $wanted: $*" >&2
        cat "$T/out" "$T/err" >&2
        return 1
    fi
    checks=$((checks + 1))
}

check() {
    local what=$1
    shift
    if ! "$@"; then
        echo "$TEST_NAME: FAILED: $what" >&2
        return 1
    fi
    checks=$((checks + 1))
}

same() {
    [ "$1" = "$2" ] || {
        printf 'expected: %s\nfound:    %s\n' "$2" "$1" >&2
        return 1
    }
}

contains() { case $1 in *"$2"*) ;; *)
    printf 'expected in it: %s\nfound:          %s\n' "$2" "$1" >&2
    return 1
    ;;
esac }
