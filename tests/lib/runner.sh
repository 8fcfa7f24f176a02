# Sourced by tests/run and tests/servers, which have set $jobs (how many tests run at once) and $only (a part of the
# names of those that run; '' = all).
#
#   say WORDS                     a heading
#   is_wanted NAME                by $only
#   run_test NAME CMD…            starts a test when there is room, telling those which ended meanwhile
#   finish_tests                  waits for the rest
#   tests_told WHO                "N passed, N failed", which ones, and whether that is a success

say() { printf '%s %s\n' "==" "$*"; }
logs=$(mktemp -d)
# Databases that are gone in a minute need not reach a disk: in memory, where there is plenty.
shared=/dev/shm plenty=$((8 * 1024 * 1024))
runs_programs() { # IN: hooks and gates of tests are programs in their directories
    local probe
    probe=$(mktemp "$1/pgtide-XXXXXX") || return 1
    printf '#!/bin/sh\n' >"$probe" && chmod +x "$probe" && "$probe" 2>/dev/null || { rm -f "$probe"; return 1; }
    rm -f "$probe"
}
if [ -z "${TMPDIR:-}" ] && [ -w "$shared" ] && runs_programs "$shared" && [ "$(df --output=avail "$shared" | tail -n 1)" -gt "$plenty" ] &&
    [ "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)" -gt "$plenty" ]; then
    export TMPDIR=$shared
fi
trap 'rm -rf "$logs"' EXIT
test_limit_s=600 # the slowest needs about 100 s
# Of each test at work, by the pid of its session.
declare -A names=() starts=() watchdogs=()
# A test that is interrupted cleans up and ends by itself, which must not be taken for one test that failed.
interrupted() {
    local pid
    for pid in "${!names[@]}"; do kill "${watchdogs[$pid]}" || true; kill -TERM -- "-$pid" || true; done 2>/dev/null
    for pid in "${!names[@]}"; do wait "$pid" || true; done 2>/dev/null
    exit "$1"
}
trap 'interrupted 130' INT
trap 'interrupted 143' TERM
passed=0 failed=0 failures=()

# Ends a test that hangs, and what it started, once its output says which process waits for what.
cut_off() { # PID LOG
    {
        echo "cut off after $test_limit_s s; its processes:"
        ps -s "$1" -o pid,ppid,etimes,stat,wchan:24,args || true
    } >>"$2"
    kill -TERM -- "-$1"
    read -r -t 30 <> <(:) || kill -KILL -- "-$1"
}

# Waits for one of the tests at work and tells how it ended; its output is shown only when it failed.
finish_test() {
    local pid status=0 name log
    wait -n -p pid "${!names[@]}" || status=$?
    name=${names[$pid]} log=$logs/$pid
    { kill "${watchdogs[$pid]}" && wait "${watchdogs[$pid]}"; } 2>/dev/null || true
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        printf 'ok    %-50s %3d s\n' "$name" $((SECONDS - starts[$pid]))
    else
        failed=$((failed + 1))
        failures+=("$name")
        printf 'FAIL  %-50s %3d s\n' "$name" $((SECONDS - starts[$pid]))
        tail -n 80 "$log" | sed 's/^/      /'
    fi
    rm -f "$log"
    unset "names[$pid]" "starts[$pid]" "watchdogs[$pid]"
}

finish_tests() { while [ ${#names[@]} -gt 0 ]; do finish_test; done; }

is_wanted() { [ -z "$only" ] || [[ $1 = *$only* ]]; }

# Starts one named test, in a session of its own, which SIGINT reaches as if it ran in the foreground.
run_test() {
    local name=$1 log pid
    shift
    is_wanted "$name" || return 0
    [ ${#names[@]} -lt "$jobs" ] || finish_test
    log=$(mktemp "$logs/XXXXXX")
    setsid env --default-signal=INT,QUIT "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    mv "$log" "$logs/$pid"
    { read -r -t "$test_limit_s" <> <(:) || cut_off "$pid" "$logs/$pid"; } 2>/dev/null &
    names[$pid]=$name starts[$pid]=$SECONDS watchdogs[$pid]=$!
}

tests_told() {
    [ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
    [ $((passed + failed)) -gt 0 ] || echo "$1: error: no test's name has '$only' in it" >&2
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
