#!/usr/bin/env bash
# A shard whose lock is not to be had goes to the back: its agent, which works on one shard of the cluster at a time, has
# done the others when its turn comes again. Meanwhile the rollout's status names who has the lock. Waiting is no failure
# until every try is used.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin fleet-locks
fleet_cluster one eu 3 1
cluster_psql one postgres -c "GRANT pg_monitor TO $FLEET_ROLE"
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
FLEET_EXTRA='concurrency: 1' fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
project small
revision 001_bio '' 'ALTER TABLE billing_accounts ADD COLUMN bio text;' 'ALTER TABLE billing_accounts DROP COLUMN bio;'
revision 002_kind 001_bio 'ALTER TABLE billing_accounts ADD COLUMN kind text;' 'ALTER TABLE billing_accounts DROP COLUMN kind;'
revision 003_hold 002_kind 'ALTER TABLE billing_accounts ADD COLUMN held text;
SELECT pg_sleep(600);' 'ALTER TABLE billing_accounts DROP COLUMN held;'
bundle small

shop_opens() { # a transaction of the application's in DATABASE, which stays open
    mkfifo "$T/shop"
    PGAPPNAME=shop PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U postgres -d "$1" <"$T/shop" >/dev/null 2>&1 &
    SHOP_PID=$!
    PIDS+=("$SHOP_PID")
    exec 8>"$T/shop"
    rm "$T/shop"
    echo 'BEGIN; SELECT count(*) FROM billing_accounts;' >&8
    wait_for 10 'the shop to be in a transaction' in_shop "$1"
}
in_shop() { [ "$(sql one "$1" "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'shop' AND state = 'idle in transaction'")" = 1 ]; }
shop_closes() {
    echo '\q' >&8
    exec 8>&-
    wait "$SHOP_PID"
}
sessions() { sql one tenant_0001 "SELECT count(*) FROM pg_stat_activity WHERE usename = '$FLEET_ROLE' AND datname = 'tenant_0001'"; }
no_session() { [ "$(sessions)" = 0 ]; }
# Of one look, for it may be gone with the next.
activity() { json "[s for s in d['result']['shards'] if s['name'] == 'one/tenant_0001'][0]['activity']$1" <"$T/seen"; }
is_blocked() { alice rollout status "$1" --shards --json >"$T/seen" && [ "$(activity "['blocker']['application']")" = shop ]; }
holds() { [ "$(sql one tenant_0001 "SELECT count(*) FROM pg_locks WHERE granted AND relation = 'billing_accounts'::regclass AND mode = 'AccessExclusiveLock'")" = 1 ]; }

# --- the first in order is blocked; the others do not wait for it
rollout_yaml "$T/bio.yaml" bio "$T/small.bundle" 'target: 001_bio' 'order: inventory'
shop_opens tenant_0001
started bio
alice rollout watch bio >"$T/watched" &
WATCH_PID=$!
PIDS+=("$WATCH_PID")
wait_for 30 'the blocker to be known' is_blocked bio
blocker=$(sql one postgres "SELECT pid FROM pg_stat_activity WHERE application_name = 'shop'")
check 'by its process' same "$(activity "['blocker']['pid']")" "$blocker"
check 'by what it does' same "$(activity "['blocker']['query_class']")" 'idle in transaction'
check 'what waits' same "$(activity "['what']")" 'ALTER TABLE billing_accounts ADD COLUMN bio text'
people_are_told() { alice rollout status bio | grep -q "waits for a lock behind $blocker (postgres, shop, idle in transaction"; }
wait_for 30 'people to be told' people_are_told
wait_for 60 'the second to be done' shard_is bio one/tenant_0002 state current
wait_for 60 'the third to be done' shard_is bio one/tenant_0003 state current
check 'the first is not' same "$(shard_field bio one/tenant_0001 state)" running
wait_for 20 'its session to be closed' no_session
check 'nobody has failed' same "$(progress bio failures)" 0
check 'nothing has changed' same "$(rows one tenant_0001)" ''
shop_closes
wait_for 90 'its turn to come' is_over bio
wait "$WATCH_PID"
check 'who watched was told' grep -q "^one/tenant_0001: ALTER TABLE billing_accounts ADD COLUMN bio text, waits for a lock behind $blocker (postgres, shop" "$T/watched"
check 'it succeeded' same "$(state bio) $(rows one tenant_0001)" 'succeeded 001_bio'
check 'once' same "$(done_once one tenant_0001)" 1/1
check 'nothing is at work any more' same "$(alice rollout status bio --json | json "d['result']['activities']")" '[]'

# --- every try used: a failure that says for whom it waited
rollout_yaml "$T/kind.yaml" kind "$T/small.bundle" 'target: 002_kind' 'select: database = tenant_0001' 'locks: {attempts: 2}'
shop_opens tenant_0001
started kind
wait_for 60 'the end' is_over kind
check 'halted' same "$(state kind)" halted
check 'why' contains "$(shard_field kind one/tenant_0001 message)" 'given up after 2 tries: '
alice rollout abort kind --reason "never" >/dev/null
check 'for whom' contains "$(shard_field kind one/tenant_0001 message)" 'shop, idle in transaction'
check 'nothing has changed' same "$(rows one tenant_0001)" 001_bio
shop_closes

# --- what stalls others each time is given up soon, however many tries there are
rollout_yaml "$T/hold.yaml" hold "$T/small.bundle" 'target: 003_hold' 'select: database = tenant_0001' 'locks: {budget: 500ms}'
plan hold
check "the plan says it" contains "$(alice rollout plan --show "$T/hold.plan")" "others behind it at most 500ms"
bob rollout approve "$T/hold.plan" >/dev/null
alice rollout start "$T/hold.plan" >/dev/null
for try in 1 2 3; do
    wait_for 30 "try $try to hold its lock" holds
    check "a reader gets through try $try" same "$(sql one tenant_0001 'SELECT count(*) FROM billing_accounts')" 40
done
wait_for 30 'the end' is_over hold
check 'its code' same "$(shard_field hold one/tenant_0001 code)" LOCK_BUDGET
check 'why' contains "$(shard_field hold one/tenant_0001 message)" 'waited behind it'
check 'at the step before' same "$(rows one tenant_0001)" 002_kind
