#!/usr/bin/env bash
# 48 shards on three servers. A rollout's budget is spent in wave 2: exactly what it changed there comes back, compared by
# schema dump with what was before; the canaries keep it, the last wave is never touched. On its way the coordinator is
# killed after the start, in the middle of wave 1, while it bakes, at a gate that can't tell, at the decision to stop and
# in the middle of taking back, and each time started again: the end is the same.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin budget48
first=1
for cluster in a b c; do
    fleet_cluster "$cluster" "$cluster" 16 "$first" &
    STARTING+=($!)
    CLUSTERS+=("$cluster")
    first=$((first + 16))
done
fleet_keys a b c
for pid in "${STARTING[@]}"; do wait "$pid"; done
for cluster in a b c; do
    sql "$cluster" postgres 'ALTER SYSTEM SET fsync = off'
    sql "$cluster" postgres 'SELECT pg_reload_conf()' >/dev/null
done
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_coordinator_stop
cat >>"$T/coordinator/coordinator.yaml" <<YAML
gate-commands:
  - {name: ask, command: [/bin/sh, -c, "exit \$(cat $T/verdict)"]}
YAML
fleet_coordinator_start
for cluster in a b c; do fleet_agent "$cluster" "$cluster" "$cluster"; done
wait_for 60 'all shards reported' fleet_has_shards 48

project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_second 001_first 'SELECT pg_advisory_xact_lock(42); ALTER TABLE first ADD COLUMN second text;
CREATE INDEX second ON first (second);' \
    'SELECT pg_advisory_xact_lock(43); DROP INDEX second; ALTER TABLE first DROP COLUMN second;'
revision 003_third 002_second 'CREATE VIEW third AS SELECT id, second FROM first;
SELECT 1 / (to_regclass($$poison$$) IS NULL)::int;' 'DROP VIEW third;'
bundle small
rollout_yaml "$T/before.yaml" before "$T/small.bundle" 'target: 001_first' 'concurrency: {fleet: 48, host: 16, cluster: 16}'
started before
wait_for 60 'the first revision everywhere' is_over before
check 'all are at the first' same "$(state before)" succeeded

# --- the plan: 4 canaries that show what the others are like, 30%, the rest
rollout_yaml "$T/second.yaml" second "$T/small.bundle" \
    'waves: [{canary: {coverage: 4, bake: 3s}}, 30%, rest]' 'order: random(7)' \
    'concurrency: {fleet: 6, host: 6, cluster: 6}' 'budget: {wave: 1, fleet: 2}' 'on-failure: rollback-wave' \
    'locks: {timeout: 60s, attempts: 3}' 'gates: [{name: ask, command: ask, interval: 100ms}]'
plan second
alice rollout status second --shards --json >"$T/plan.json"
wave() { json "' '.join(s['name'] for s in d['result']['shards'] if s['wave'] == $1)" <"$T/plan.json"; }
read -ra canaries <<<"$(wave 1)"
read -ra wave2 <<<"$(wave 2)"
read -ra rest <<<"$(wave 3)"
check 'waves of 4, 14 and 30' same "${#canaries[@]} ${#wave2[@]} ${#rest[@]}" '4 14 30'
check 'canaries on every server' same "$(printf '%s\n' "${canaries[@]%%/*}" | sort -u | tr -d '\n')" abc
held=${wave2[0]} poisoned=("${wave2[1]}" "${wave2[2]}") going_back=${wave2[3]}
for shard in "${poisoned[@]}"; do sql "${shard%%/*}" "${shard#*/}" 'CREATE TABLE poison ()'; done

# Of the last wave, which is not to be touched, one on each server: their histories tell of the others.
sample=()
for cluster in a b c; do sample+=("$(printf '%s\n' "${rest[@]}" | grep -m 1 "^$cluster/")"); done
dump_all() { # DIRECTORY
    mkdir "$1"
    local key=()
    ! "$PG_BIN/pg_dump" --help | grep -q restrict-key || key=(--restrict-key=same)
    for shard in "${canaries[@]}" "${wave2[@]}" "${sample[@]}"; do
        "$PG_BIN/pg_dump" -s -h "$T/${shard%%/*}/socket" -U postgres "${key[@]}" -d "${shard#*/}" |
            sed '/^\\\(un\)\?restrict /d' >"$1/${shard/\//.}"
    done
}
dump_all "$T/schemas-before"

# --- the rollout, with the coordinator killed again and again
killed() { # WHEN
    fleet_coordinator_stop KILL
    fleet_coordinator_start
    check "killed $1: it is known still" contains ' running paused halted rolling-back ' " $(state second) "
}
wave_state() { [ "$(alice rollout status second --json | json "d['result']['waves'][$1]['state']")" = "$2" ]; }
hold_back() { # CLUSTER DATABASE: lock 43, which the downgrade of 002 takes
    mkfifo "$T/lock43"
    PGHOST="$T/$1/socket" "$PG_BIN/psql" -X -q -U postgres -d "$2" <"$T/lock43" >/dev/null &
    PIDS+=($!)
    exec 8>"$T/lock43"
    echo 'SELECT pg_advisory_lock(43);' >&8
    wait_for 10 'lock 43 to be held' lock43 "$1" "$2" true
}
lock43() {
    [ "$(sql "$1" postgres "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
        WHERE d.datname = '$2' AND l.locktype = 'advisory' AND l.objid = 43 AND l.granted = $3")" = 1 ]
}
echo 2 >"$T/verdict"
hold_lock "${canaries[0]%%/*}" "${canaries[0]#*/}"
bob rollout approve "$T/second.plan" >/dev/null
alice rollout start "$T/second.plan" >/dev/null
killed 'after the start'
wait_for 60 'a canary to reach its lock' waits_for_lock "${canaries[0]%%/*}" "${canaries[0]#*/}"
killed 'in the middle of wave 1'
release_lock
wait_for 60 'the canaries to bake' wave_state 0 baking
killed 'while it bakes'
wait_for 60 'the gate, which can not tell' is_state second paused
check 'why is told' contains "$(alice rollout status second)" ask
killed 'at a gate'
check 'it waits for somebody still' same "$(state second)" paused
hold_lock "${held%%/*}" "${held#*/}"
hold_back "${going_back%%/*}" "${going_back#*/}"
echo 0 >"$T/verdict"
alice rollout resume second --reason 'looked at it' >/dev/null
stopped() { [ "$(state second) $(state second stopping)" = 'halted true' ]; }
wait_for 90 'the budget to be spent' stopped
check 'with one job in hand' waits_for_lock "${held%%/*}" "${held#*/}"
killed 'at the decision to stop'
check 'it stands by it' stopped
release_lock
wait_for 60 'a shard on its way back to reach its lock' lock43 "${going_back%%/*}" "${going_back#*/}" false
check 'it takes back' same "$(state second)" rolling-back
killed 'in the middle of taking back'
echo '\q' >&8
exec 8>&-
wait_for 60 'it to be over' is_over second
check 'rolled back' same "$(state second)" rolled-back

# --- the exact set
dump_all "$T/schemas-after"
for shard in "${wave2[@]}" "${sample[@]}"; do
    check "$shard is as it was" cmp "$T/schemas-before/${shard/\//.}" "$T/schemas-after/${shard/\//.}"
    check "$shard: its rows too" same "$(rows "${shard%%/*}" "${shard#*/}")" 001_first
done
for shard in "${canaries[@]}"; do
    check "$shard, a canary, keeps it" same "$(history "${shard%%/*}" "${shard#*/}")" \
        'upgrade:succeeded:001_first upgrade:succeeded:002_second upgrade:succeeded:003_third'
    check "$shard has the view" grep -q 'CREATE VIEW public.third' "$T/schemas-after/${shard/\//.}"
done
for shard in "${rest[@]}"; do
    check "$shard was never touched" same "$(history "${shard%%/*}" "${shard#*/}")" 'upgrade:succeeded:001_first'
done
for shard in "${poisoned[@]}"; do
    check "$shard failed once and came back" same "$(history "${shard%%/*}" "${shard#*/}")" \
        'upgrade:succeeded:001_first upgrade:succeeded:002_second upgrade:failed:003_third downgrade:succeeded:002_second'
done
check 'the one that was held did no more than its step' same "$(history "${held%%/*}" "${held#*/}")" \
    'upgrade:succeeded:001_first upgrade:succeeded:002_second downgrade:succeeded:002_second'
touched=0
for shard in "${canaries[@]}" "${wave2[@]}"; do
    steps=$(done_once "${shard%%/*}" "${shard#*/}")
    check "$shard: no operation twice" same "${steps%/*}" "${steps#*/}"
    [ "$steps" = 1/1 ] || touched=$((touched + 1))
done
check 'no more than the canaries and those at work were changed' test "$touched" -le 10
check 'two failures, no more' same "$(progress second failures)" 2
check 'who did what' same "$(alice rollout status second --json |
    json '" ".join(e["who"] + ":" + e["what"] for e in d["result"]["log"])')" \
    'alice:planned bob:approved alice:started :paused alice:resumed :stopped :rolling-back :rolled-back'
