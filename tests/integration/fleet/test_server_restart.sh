#!/usr/bin/env bash
# PostgreSQL crashes in the middle of steps and in their COMMITs: the rollout reads the shards and goes on, each step
# happens once; a server that stays away is told as such, and counts.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin server_restart
fleet_cluster one eu 4 1
sql one postgres 'ALTER SYSTEM SET synchronous_commit = local'
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 4
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);
SELECT set_config($$synchronous_commit$$, $$on$$, true) WHERE current_setting($$slow.commit$$, true) = $$on$$;
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE second;'
revision 003_last 002_wait 'CREATE TABLE third (id int PRIMARY KEY);' 'DROP TABLE third;'
bundle small
wait_succeeded() { # ROLLOUT DATABASE
    wait_for 30 "$1: the rollout to be over" is_over "$1"
    check "$1: succeeded" same "$(state "$1")" succeeded
    check "$1: at the head" same "$(rows one "$2")" 003_last
    check "$1: each step once" same "$(done_once one "$2")" 3/3
    check "$1: and in order" same "$(sql one "$2" "SELECT string_agg(revision, ' ' ORDER BY seq)
        FROM pgtide.history WHERE direction = 'upgrade' AND outcome = 'succeeded'")" '001_first 002_wait 003_last'
}
commits() { [ "$(sql one postgres "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND datname = '$1'")" = 1 ]; }
lock_is_free() { [ "$(sql one postgres "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42")" = 0 ]; }

# --- in the middle of a step
rollout_yaml "$T/crash.yaml" crash "$T/small.bundle" 'select: database = tenant_0001' 'locks: {timeout: 60s, attempts: 20}'
hold_lock one tenant_0001
started crash
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0001
cluster_stop one immediate
cluster_up one # which ends the lock's session too
release_lock || true
wait_succeeded crash tenant_0001

# --- in COMMIT
sql one postgres 'ALTER DATABASE tenant_0002 SET slow.commit = on'
sql one postgres 'ALTER SYSTEM SET synchronous_standby_names = nobody'
sql one postgres 'SELECT pg_reload_conf()' >/dev/null
rollout_yaml "$T/commit.yaml" commit "$T/small.bundle" 'select: database = tenant_0002' 'locks: {timeout: 10s, attempts: 20}'
started commit
wait_for 20 'COMMIT to wait' commits tenant_0002
sql one postgres "ALTER DATABASE tenant_0002 SET slow.commit = off"
cluster_stop one immediate
cluster_up one
wait_succeeded commit tenant_0002
check 'the step in COMMIT was not run again' same "$(sql one tenant_0002 "SELECT count(*) FROM pgtide.history WHERE revision = '002_wait'")" 1

# --- in COMMIT, and it stays away: the shard is unknown, which counts in the end, and no other is begun
sql one postgres 'ALTER DATABASE tenant_0003 SET slow.commit = on'
rollout_yaml "$T/away.yaml" away "$T/small.bundle" 'select: database in (tenant_0003, tenant_0004)' 'waves: [1, rest]' \
    'locks: {timeout: 10s, attempts: 20}' 'unknown-deadline: 1s'
started away
wait_for 20 'COMMIT to wait' commits tenant_0003
cluster_stop one immediate
wait_for 20 'the rollout to stop' is_state away halted
check 'one failure' same "$(progress away failures)" 1
check 'not known' same "$(shard_field away one/tenant_0003 state)" unknown
reachable() { alice fleet clusters --json | json "d['result']['clusters'][0]['reachable']"; }
cluster_is_away() { [ "$(reachable)" = false ]; }
wait_for 20 'the cluster to be seen as unreachable' cluster_is_away
cluster_up one
wait_for 30 'the shard to be read' shard_is away one/tenant_0003 in_flight false
check 'the step in COMMIT was done, and none after it' same "$(history one tenant_0003)" \
    'upgrade:succeeded:001_first upgrade:succeeded:002_wait'
check 'as the rollout says' same "$(shard_field away one/tenant_0003 rows)" "['002_wait']"
check 'the second wave was never touched' same "$(rows one tenant_0004)" ''
