#!/usr/bin/env bash
# The coordinator is killed at every record that a rollout writes, before and after it is durable, and started again:
# the rollout ends as if nothing had happened, the operator who started it gets an answer, and each step has happened
# once.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin coordinator_crash
fleet_cluster one eu 3 1
sql one postgres 'ALTER SYSTEM SET fsync = off'
sql one postgres 'SELECT pg_reload_conf()' >/dev/null
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
bundle forge "$ROOT/migrations/example/pgtide.yaml"
rollout_yaml "$T/small.yaml" small "$T/forge.bundle" 'target: 003_add_team_invites' \
    'waves: [{canary: {labels: {canary: "true"}}}, rest]' 'concurrency: {fleet: 2}'
approved small
fleet_agent_stop one
fleet_coordinator_stop
cp -a "$T/coordinator/state" "$T/coordinator-seed"
cp -a "$T/agent-one/state" "$T/agent-seed"
mapfile -t tenants < <(fleet_databases one)

records() { /usr/bin/python3 -c 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("SELECT max(seq) FROM journal").fetchone()[0])' \
    "$T/coordinator/state/journal.sqlite"; }

# Everything as it was when the plan had been approved. A journal of its own needs a ledger of its own: epochs.
fresh() {
    rm -rf "$T/coordinator/state" "$T/agent-one/state"
    cp -a "$T/coordinator-seed" "$T/coordinator/state"
    cp -a "$T/agent-seed" "$T/agent-one/state"
    local database
    for database in "${tenants[@]}"; do
        echo "\\connect $database"
        echo "DROP SCHEMA IF EXISTS pgtide CASCADE; DROP TABLE IF EXISTS alembic_version, team_invites, sessions, invites,
            reactions, attachments, messages, channel_members, channels, memberships, workspaces, users;
            DROP TYPE IF EXISTS membership_role; DROP FUNCTION IF EXISTS touch_updated_at;"
    done | PGOPTIONS='-c client_min_messages=error' cluster_psql one postgres
}

coordinator_with() { # [VARIABLE=N]
    env "$@" "$BIN/pgtide-coordinator" --config "$T/coordinator/coordinator.yaml" >>"$T/coordinator/coordinator.log" 2>&1 &
    FLEET_PID[coordinator]=$!
    PIDS+=($!)
}
coordinator_is_dead() { ! kill -0 "${FLEET_PID[coordinator]}" 2>/dev/null; }
is_done() { alice rollout status small --json --timeout 1s | grep -q '"state":"succeeded"'; }
# Two shards' ends may come in one report or in two, with a listing between: not each run writes as many records.
dies_or_is_done() { coordinator_is_dead || { is_done && [ "$(records)" -lt "$1" ]; }; }

check_shards() { # WHEN
    local database found
    found=$(for database in "${tenants[@]}"; do
        echo "\\connect $database"
        echo "SELECT (SELECT string_agg(version_num, ',') FROM alembic_version) || ' ' ||
            string_agg(direction || ':' || outcome || ':' || left(revision, 3), ' ' ORDER BY seq) || ' ' ||
            count(DISTINCT operation) FROM pgtide.history WHERE direction <> 'adopt';"
    done | cluster_psql one postgres | sort -u)
    check "$1: each step of each shard once" same "$found" \
        '003_add_team_invites upgrade:succeeded:001 upgrade:succeeded:002 upgrade:succeeded:003 3'
}

lists_shards() { [ "$(alice fleet shards --json | grep -o '"state":"new"' | wc -l)" -eq 3 ]; }

# Who starts it asks again where the answer or the order itself was lost, or the agent has not come yet.
start() {
    local status
    for (( ; ; )); do
        status=0
        alice rollout start "$T/small.plan" --timeout 30s >"$T/start.out" 2>&1 || status=$?
        case $status:$(cat "$T/start.out") in
        0:*) return 0 ;;
        6:*'is not listed by any agent now'*) ;;
        5:*'was acted on already'*) [ "$(state small)" = approved ] || return 0 ;;
        *) return "$status" ;;
        esac
    done
}

run() { # WHEN [VARIABLE=N]
    fresh
    coordinator_with "${@:2}"
    fleet_agent_start one
    wait_for 10 'the agent to list its shards' lists_shards # a refused start would be a record more
    start &
    local start=$! status=0
    PIDS+=("$start")
    if [ $# -gt 1 ]; then
        wait_for 30 "the coordinator to die: $1" dies_or_is_done "${2#*=}"
        if coordinator_is_dead; then
            wait "${FLEET_PID[coordinator]}" || status=$?
            check "$1: by its own hand" same "$status" 137
            coordinator_with
        else
            spared=$((spared + 1))
        fi
    fi
    status=0
    wait "$start" || status=$?
    check "$1: who started it was answered: $(cat "$T/start.out")" same "$status" 0
    check "$1: succeeded" alice rollout watch small --quiet --timeout 20s
    check_shards "$1"
    fleet_coordinator_stop KILL
    fleet_agent_stop one KILL
}

spared=0
before=$(records)
run undisturbed
total=$(records)
check 'a rollout writes records' test "$((total - before))" -ge 8
for ((k = before + 1; k <= total; k++)); do
    run "after $((k - before)) of $((total - before))" PGTIDE_TEST_CRASH_AFTER_RECORD="$k"
done
for k in $((before + 1)) $((before + 4)) "$total"; do
    run "before $((k - before)) of $((total - before))" PGTIDE_TEST_CRASH_BEFORE_RECORD="$k"
done
check 'few were spared' test "$spared" -le 3
