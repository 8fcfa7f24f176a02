#!/usr/bin/env bash
# Windows: a rollout that is started outside of them waits, one that they close on finishes its step and waits, and
# what was written wrongly is refused with its line.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin windows
fleet_cluster one eu 2 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE first;'
revision 002_last 001_first 'CREATE TABLE last (id int PRIMARY KEY);' 'DROP TABLE last;'
bundle small
hhmm() { date -u -d "$1" +%H:%M; }
field() { alice rollout status "$1" --json | json "d['result']['$2']"; }

# --- wrong windows
wrong() { # WORDS LINE
    rollout_yaml "$T/wrong.yaml" wrong "$T/small.bundle" "$2"
    expect_exit 2 alice rollout plan "$T/wrong.yaml" -o "$T/wrong.plan"
    check "$2" contains "$(cat "$T/err")" "$1"
    check 'with its line' grep -q 'wrong.yaml:[0-9]' "$T/err"
}
wrong 'a time zone' 'windows: [{from: "01:00", to: "05:00", zone: Europe/Nowhere}]'
wrong 'a time of day' 'windows: [{from: "25:00", to: "05:00"}]'
wrong 'days such as' 'windows: [{days: someday, from: "01:00", to: "05:00"}]'
wrong 'no length' 'windows: [{from: "01:00", to: "01:00"}]'
check 'no plan came of it' test ! -e "$T/wrong.plan"

# --- closed: it is started, and waits
rollout_yaml "$T/later.yaml" later "$T/small.bundle" "windows: [{from: \"$(hhmm '+2 hours')\", to: \"$(hhmm '+3 hours')\", zone: UTC}]"
started later
check 'it runs, and is held' same "$(state later) $(field later window)" 'running closed'
check 'it says until when' contains "$(alice rollout status later)" 'closed: no shard is begun before '
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 30 'the agent to be back' fleet_has_shards 2
check 'held, still' same "$(state later) $(field later window) $(progress later running)" 'running closed 0'
alice rollout abort later >/dev/null
wait_for 20 'it to be over' is_over later
check 'no shard was touched' same "$(rows one tenant_0001)$(rows one tenant_0002)" ''

# --- it closes while a step runs: that step ends, nothing else begins
hold_lock one tenant_0001
[ "$(date -u +%S)" -lt 45 ] || wait_for 20 'the next minute' eval '[ "$(date -u +%S)" -lt 45 ]'
rollout_yaml "$T/closing.yaml" closing "$T/small.bundle" 'waves: [1, rest]' 'locks: {timeout: 60s, attempts: 3}' \
    "windows: [{from: \"$(hhmm '-1 hour')\", to: \"$(hhmm '+1 minute')\", zone: UTC}]"
started closing
wait_for 20 'the step to reach its lock' waits_for_lock one tenant_0001
check 'it is open' same "$(field closing window)" open
closed() { [ "$(field closing window)" = closed ]; }
wait_for 90 'the window to close' closed
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 30 'the coordinator to know the window again' closed
release_lock
wait_for 20 'the job to end' shard_is closing one/tenant_0001 in_flight false
check 'after its step, and no further' same "$(rows one tenant_0001)|$(rows one tenant_0002)" '001_first|'
check 'the rollout waits for tomorrow' same "$(state closing)" running
alice rollout abort closing >/dev/null
wait_for 20 'it to be over' is_over closing
