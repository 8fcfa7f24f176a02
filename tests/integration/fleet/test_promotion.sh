#!/usr/bin/env bash
# What a rollout requires of another one; caps on jobs that share a label's value; a rollout in which nothing gets on;
# the least bake.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin promotion
fleet_cluster one eu 2 1
fleet_cluster two us 2 11
fleet_keys one two
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
fleet_agent two two us
wait_for 30 'all shards reported' fleet_has_shards 4
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE first;'
bundle small
cp "$PROJECT/versions/001_first.sql" "$T/kept.sql"
all_rows() { local c d; for c in one two; do for d in $(fleet_databases $c); do echo "$(rows $c "$d")"; done; done | paste -sd' '; }

# --- wrong ones
wrong() { # WORDS LINE
    rollout_yaml "$T/wrong.yaml" wrong "$T/small.bundle" "$2"
    expect_exit 2 alice rollout plan "$T/wrong.yaml" -o "$T/wrong.plan"
    check "$2" contains "$(cat "$T/err")" "$1"
}
wrong 'needs `labels`, `rollout`' 'requires: [{}]'
wrong 'unknown' 'requires: [{fleet: staging}]'
wrong 'at least 1' 'concurrency: {labels: {region: 0}}'
wrong 'a mapping' 'concurrency: {labels: [region]}'

# --- production requires staging
rollout_yaml "$T/prod.yaml" prod "$T/small.bundle" 'select: region = us' 'requires: [{labels: {region: eu}}]'
rollout_yaml "$T/named.yaml" named "$T/small.bundle" 'select: region = us' 'requires: [{rollout: stage}]'
rollout_yaml "$T/nobody.yaml" nobody "$T/small.bundle" 'select: region = us' 'requires: [{labels: {region: mars}}]'
approved prod
approved named
approved nobody
expect_error 5 REFUSED 'a rollout on every shard with region=eu has succeeded with the same bundle' alice rollout start prod --dry-run
expect_error 5 REFUSED '2 of 2 shards are missing, first one/tenant_0001' alice rollout start prod
expect_error 5 REFUSED 'rollout stage has succeeded' alice rollout start named
expect_error 5 REFUSED 'no shard of the fleet has these labels' alice rollout start nobody
check 'nothing was begun' same "$(all_rows)" '   '
rollout_yaml "$T/half.yaml" half "$T/small.bundle" 'select: database = tenant_0001'
started half
wait_for 30 'half of staging to be over' is_over half
expect_error 5 REFUSED '1 of 2 shards are missing, first one/tenant_0002' alice rollout start prod
rollout_yaml "$T/stage.yaml" stage "$T/small.bundle" 'select: region = eu'
started stage
wait_for 30 'staging to be over' is_over stage
expect_exit 0 alice rollout start prod --dry-run
expect_exit 0 alice rollout start prod
wait_for 30 'production to be over' is_over prod
check 'both' same "$(state prod) $(all_rows)" 'succeeded 001_first 001_first 001_first 001_first'

# --- what was taken back does not count, and another bundle does not either
expect_exit 0 alice rollout rollback prod -o "$T/prod-undo.plan"
bob rollout approve "$T/prod-undo.plan" >/dev/null
alice rollout start "$T/prod-undo.plan" >/dev/null
wait_for 30 'production to be taken back' eval '[ "$(all_rows)" = "001_first 001_first  " ]'
revision 002_other 001_first 'CREATE TABLE other (id int PRIMARY KEY);' 'DROP TABLE other;'
bundle other
rollout_yaml "$T/other.yaml" other "$T/other.bundle" 'select: region = us' 'requires: [{labels: {region: eu}}]'
approved other
expect_error 5 REFUSED '2 of 2 shards' alice rollout start other
rollout_yaml "$T/again.yaml" again "$T/small.bundle" 'select: region = us' 'requires: [{labels: {region: eu}, rollout: stage}]'
approved again
expect_exit 0 alice rollout start again --dry-run # what stage found there already is no hole
rollout_yaml "$T/again2.yaml" again2 "$T/small.bundle" 'select: region = us' 'requires: [{labels: {region: eu}}]'
approved again2
expect_exit 0 alice rollout start again2 --dry-run
expect_exit 0 alice rollout rollback half -o "$T/half-undo.plan"
bob rollout approve "$T/half-undo.plan" >/dev/null
alice rollout start "$T/half-undo.plan" >/dev/null
wait_for 30 'half of staging to be taken back' eval '[ "$(all_rows)" = " 001_first  " ]'
expect_error 5 REFUSED '1 of 2 shards are missing, first one/tenant_0001' alice rollout start again2

# --- one job at a time where a label has one value, whatever else would allow
rollout_yaml "$T/clear.yaml" clear "$T/small.bundle" 'downgrade: base'
started clear
wait_for 30 'everything to be back' is_over clear
hold_lock one tenant_0001
rollout_yaml "$T/capped.yaml" capped "$T/small.bundle" 'concurrency: {fleet: 10, host: 10, cluster: 10, labels: {region: 1}}' \
    'locks: {timeout: 60s, attempts: 3}'
plan capped
check 'two of four at once, and the first failure stops it' same "$(alice rollout status capped --json | json "d['result']['worst_case']")" 2
bob rollout approve "$T/capped.plan" >/dev/null
alice rollout start "$T/capped.plan" >/dev/null
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0001
wait_for 20 'the others where it has another value to be done' eval '[ "$(rows two tenant_0011) $(rows two tenant_0012)" = "001_first 001_first" ]'
check 'its neighbour waits' same "$(shard_field capped one/tenant_0002 state) $(progress capped running)" 'pending 1'
expect_error 5 REFUSED 'concurrency.labels.region can be 1 to 1' alice rollout set capped concurrency.labels.region=2
expect_error 2 USAGE "can't be set" alice rollout set capped concurrency.labels.tier=2
expect_exit 0 alice rollout set capped concurrency.labels.region=1
release_lock
wait_for 30 'the rollout to be over' is_over capped
check 'succeeded' same "$(state capped)" succeeded

# --- nothing gets on: it stops by its policy, and says so
rollout_yaml "$T/clear2.yaml" clear2 "$T/small.bundle" 'downgrade: base'
started clear2
wait_for 30 'everything to be back' is_over clear2
hold_lock two tenant_0011
rollout_yaml "$T/stuck.yaml" stuck "$T/small.bundle" 'select: region = us' 'order: inventory' 'concurrency: {fleet: 1}' \
    'locks: {timeout: 60s, attempts: 3}' 'progress-deadline: 2s' 'on-failure: rollback-wave'
started stuck
wait_for 30 'it to stop' is_state stuck halted
check 'why' contains "$(state stuck reason)" 'no shard of wave all has got on for '
release_lock
wait_for 30 'the rollout to be over' is_over stuck
check 'taken back' same "$(state stuck) $(rows two tenant_0011) $(rows two tenant_0012)" 'rolled-back  '

# --- the least bake
rollout_yaml "$T/baked.yaml" baked "$T/small.bundle" 'waves: [{first: {size: 1, bake: 10m}}, 1, rest]' 'bake-min: 2m'
plan baked
check 'each wave has at least that' same "$(alice rollout status baked --json | json "[w['bake_ms'] for w in d['result']['waves']]")" \
    '[600000, 120000, 120000]'
