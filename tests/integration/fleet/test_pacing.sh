#!/usr/bin/env bash
# Retry, skip, set, quarantine and release, and the fleet's brake: each while a rollout is at work, and each refused
# where it makes no sense; and what of it a killed coordinator remembers.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin pacing
fleet_cluster one eu 6 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 6
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE first;'
revision 002_ready 001_first 'INSERT INTO ready VALUES (1);' 'DELETE FROM ready;'
bundle small
all_rows() { local d; for d in $(fleet_databases one); do echo "$(rows one "$d")"; done | paste -sd' '; }
shard_state() { alice fleet shards --json | json "[s for s in d['result']['shards'] if s['name'] == 'one/$1'][0]['${2:-state}']"; }
agent_is_back() { [ "$(alice fleet shards --json | json "sum(s['state'] != 'unreachable' for s in d['result']['shards'])")" = 6 ]; }

# --- skip before it is touched, set, and retry what has failed
for d in 1 3 4 5 6; do sql one tenant_000$d 'CREATE TABLE ready (id int)' >/dev/null; done
for d in $(fleet_databases one); do sql one "$d" "DO \$\$ BEGIN IF to_regclass('ready') IS NOT NULL THEN ALTER TABLE ready OWNER TO $FLEET_ROLE; END IF; END \$\$"; done
rollout_yaml "$T/pace.yaml" pace "$T/small.bundle" 'waves: [2, rest]' 'concurrency: {fleet: 4}' 'budget: {wave: 3, fleet: 3}' \
    'locks: {timeout: 60s, attempts: 3}'
approved pace
expect_error 5 STATE 'not been started' alice rollout skip pace one/tenant_0003 --reason early
hold_lock one tenant_0001
alice rollout start "$T/pace.plan" >/dev/null
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0001
wait_for 20 'the second shard to fail' shard_is pace one/tenant_0002 state failed
check 'for want of a table' contains "$(shard_field pace one/tenant_0002 message)" 'ready'
expect_error 2 USAGE 'reason' alice rollout skip pace one/tenant_0003
expect_error 2 NOT_FOUND 'no shard' alice rollout skip pace one/nothing --reason x
expect_error 5 STATE 'is failed' alice rollout skip pace one/tenant_0002 --reason x
expect_error 5 STATE 'is running' alice rollout retry pace one/tenant_0001
expect_error 5 STATE 'is pending' alice rollout retry pace one/tenant_0003
expect_exit 0 alice rollout skip pace one/tenant_0003 --reason 'moves house'
check 'it says why' same "$(shard_field pace one/tenant_0003 message)" 'skipped by alice: moves house'
expect_error 5 STATE 'skipped already' alice rollout skip pace one/tenant_0003 --reason again
expect_error 2 USAGE 'SETTING=VALUE' alice rollout set pace concurrency.fleet
expect_error 2 USAGE 'SETTING=VALUE' alice rollout set pace bake=soon
expect_error 2 USAGE "can't be set" alice rollout set pace budget.host=1
expect_error 2 USAGE "can't be set" alice rollout set pace backup.keep=1
expect_error 5 REFUSED 'budget.fleet can be 0 to 3' alice rollout set pace budget.fleet=4
expect_exit 0 alice rollout set pace budget.fleet=1 --reason 'one is enough'
expect_exit 0 alice rollout set pace bake=1s
expect_error 5 REFUSED 'bake can be 0m to 168h' alice rollout set pace bake=8d
expect_error 5 REFUSED '1 to 4' alice rollout set pace concurrency.fleet=5
expect_error 5 REFUSED '1 to 4' alice rollout set pace concurrency.fleet=0
expect_exit 0 alice rollout set pace concurrency.fleet=1 --reason 'the night is busy'
check 'the cap as set' same "$(alice rollout status pace --json | json "d['result']['policy']['concurrency']['fleet']")" 1

check 'and the budget, and the bake' same \
    "$(alice rollout status pace --json | json "[d['result']['policy']['budget_fleet'], [w['bake_ms'] for w in d['result']['waves']]]")" '[1, [1000, 0]]'

# --- what was asked is still so after the coordinator was killed
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 30 'the agent to be back' agent_is_back
check 'skipped, still' same "$(shard_field pace one/tenant_0003 skipped)" true
check 'the cap, still' same "$(alice rollout status pace --json | json "d['result']['policy']['concurrency']['fleet']")" 1

check 'the budget, still' same "$(alice rollout status pace --json | json "d['result']['policy']['budget_fleet']")" 1

# --- mended, and tried again; one at a time now
sql one tenant_0002 'CREATE TABLE ready (id int)' >/dev/null
sql one tenant_0002 "ALTER TABLE ready OWNER TO $FLEET_ROLE" >/dev/null
expect_exit 0 alice rollout retry pace --reason 'the table is there'
check 'nothing has failed any more' same "$(progress pace failures)" 0
release_lock
wait_for 30 'the rollout to be over' is_over pace
check 'all but the skipped one' same "$(state pace) $(all_rows)" \
    'succeeded 002_ready 002_ready  002_ready 002_ready 002_ready'
check 'each step once, the retried one too' same "$(done_once one tenant_0002)" 2/2
for word in 'retry pace' 'skip pace one/tenant_0003 --reason x' 'set pace concurrency.fleet=1'; do
    # shellcheck disable=SC2086 # words
    expect_error 5 STATE 'succeeded' alice rollout $word
done

check 'the first wave has baked' contains "$(alice rollout status pace)" 'set bake=1s'

# --- a budget below what has failed already stops it at once
sql one tenant_0001 'DROP TABLE ready' >/dev/null
rollout_yaml "$T/fewer.yaml" fewer "$T/small.bundle" 'downgrade: 001_first' 'select: database in (tenant_0001, tenant_0002)' 'order: inventory' 'concurrency: {fleet: 1}' \
    'budget: {wave: 3, fleet: 3}' 'locks: {timeout: 60s, attempts: 3}'
sed -i '/^target/d' "$T/fewer.yaml"
sql one tenant_0002 'ALTER TABLE ready ADD CHECK (id > 0); CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN old; END $$;
    CREATE TRIGGER hold BEFORE DELETE ON ready FOR EACH ROW EXECUTE FUNCTION hold()' >/dev/null
hold_lock one tenant_0002
started fewer
wait_for 30 'the first to fail' shard_is fewer one/tenant_0001 state failed
wait_for 30 'the second to reach its lock' waits_for_lock one tenant_0002
expect_exit 0 alice rollout set fewer budget.fleet=0 --reason 'no more of this'
release_lock
wait_for 30 'it to stand still' is_over fewer
check 'it has stopped' same "$(state fewer) $(rows one tenant_0002)" 'halted 001_first'
check 'and says why' contains "$(state fewer reason)" "1 failed, the fleet's budget is 0"
expect_exit 0 alice rollout set fewer budget.fleet=3
check 'raising it starts nothing' same "$(state fewer)" halted
sql one tenant_0001 "CREATE TABLE ready (id int)" >/dev/null
sql one tenant_0001 "ALTER TABLE ready OWNER TO $FLEET_ROLE" >/dev/null
sql one tenant_0002 'DROP TRIGGER hold ON ready' >/dev/null
expect_exit 0 alice rollout abort fewer --reason 'that was a try'
rollout_yaml "$T/forward.yaml" forward "$T/small.bundle" 'locks: {timeout: 60s, attempts: 3}' 'select: database = tenant_0002'
started forward
wait_for 30 'all as it was' is_over forward
check 'as it was' same "$(state forward)" succeeded

# --- quarantine: in no plan until it is released
expect_error 2 USAGE 'reason' alice fleet quarantine one/tenant_0003
expect_exit 0 alice fleet quarantine one/tenant_0003 --reason 'a customer looks into it'
check 'its state' same "$(shard_state tenant_0003)" quarantined
check 'and why' same "$(shard_state tenant_0003 message)" 'quarantined by alice: a customer looks into it'
expect_error 5 STATE 'already' alice fleet quarantine one/tenant_0003 --reason again
rollout_yaml "$T/rest.yaml" rest "$T/small.bundle" 'select: database = tenant_0003'
expect_exit 2 alice rollout plan "$T/rest.yaml" -o "$T/rest.plan"
check 'no plan of it' contains "$(cat "$T/err")" quarantined
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 30 'the agent to be back' agent_is_back
check 'quarantined, still' same "$(shard_state tenant_0003)" quarantined
expect_error 5 REFUSED 'role admin' bob fleet release one/tenant_0003 --reason done
expect_exit 0 alice fleet release one/tenant_0003 --reason 'all is well'
expect_error 5 STATE 'not quarantined' alice fleet release one/tenant_0003 --reason again
check 'free again' same "$(shard_state tenant_0003)" new

# --- a shard that is quarantined while a rollout has it still before it is left out
rollout_yaml "$T/back.yaml" back "$T/small.bundle" 'downgrade: base' 'waves: [1, rest]' 'locks: {timeout: 60s, attempts: 3}'
sed -i '/^target/d' "$T/back.yaml"
approved back
expect_exit 0 alice fleet brake on --reason 'first a look'
expect_error 5 STATE 'on already' alice fleet brake on --reason again
check 'the fleet shows it' contains "$(alice fleet status)" 'ON, by alice: first a look'

# --- under the brake a rollout starts, and nothing in it does
expect_exit 0 alice rollout start "$T/back.plan"
check 'running, and held' same "$(alice rollout status back --json | json "d['result']['braked']") $(state back)" 'true running'
expect_exit 0 alice fleet quarantine one/tenant_0006 --reason 'not this one'
check 'left out' same "$(shard_field back one/tenant_0006 skipped)" true
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 30 'the agent to be back' agent_is_back
check 'nothing has begun' same "$(progress back done) $(progress back running)" '0 0'
check 'braked, still' contains "$(alice fleet status)" 'ON, by alice'
expect_exit 0 alice fleet brake off --reason 'go'
expect_error 5 STATE 'not on' alice fleet brake off --reason again
wait_for 30 'the rollout to be over' is_over back
check 'taken back but for the quarantined one' same "$(state back) $(all_rows)" 'succeeded      002_ready'

# --- what chance has a part in can be done again
plan_order() { alice rollout status "$1" --shards --json | json "[s['name'] for s in d['result']['shards']]"; }
for name in once again; do
    rollout_yaml "$T/$name.yaml" "$name" "$T/small.bundle" 'order: random(7)' 'waves: [{canary: {coverage: 2}}, rest]' \
        'select: database != tenant_0006'
    expect_exit 0 alice rollout plan "$T/$name.yaml" -o "$T/$name.plan"
    check 'the seed is told' contains "$(cat "$T/out")" 'seed       7: '
done
check 'the same seed gives the same plan' same "$(plan_order again)" "$(plan_order once)"
rollout_yaml "$T/drawn.yaml" drawn "$T/small.bundle" 'order: random' 'select: database != tenant_0006'
expect_exit 0 alice rollout plan "$T/drawn.yaml" -o "$T/drawn.plan"
check 'one that was drawn is told too' grep -qE '^seed +[0-9]+: ' "$T/out"
rollout_yaml "$T/odd.yaml" odd "$T/small.bundle" 'order: random(x)'
expect_exit 2 alice rollout plan "$T/odd.yaml" -o "$T/odd.plan"
