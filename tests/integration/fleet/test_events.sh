#!/usr/bin/env bash
# What happened, told outside: the list and the stream of events.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin events
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_wrong 001_first 'SELECT 1 FROM missing;' 'SELECT 1;'
bundle small
last_shard=$(fleet_databases one | tail -n 1)

# --- the stream has it as it comes; the list has all of it, the same
follow() { # FILE OPTION…; FOLLOWER is its process
    local file=$1
    shift
    PGTIDE_COORDINATOR=$FLEET_ENDPOINT PGTIDE_TRUST=$T/trust PGTIDE_KEY=$T/alice/alice.key \
        "$BIN/pgtide" fleet events --follow --json "$@" >"$file" &
    FOLLOWER=$!
    PIDS+=("$FOLLOWER")
}
follow "$T/tail"
follow "$T/stream" --since 0
rollout_yaml "$T/good.yaml" good "$T/small.bundle" 'target: 001_first' 'waves: [1, rest]'
started good
wait_for 20 'the rollout to be over' is_over good
wait_for 20 'the stream to have its end' grep -q '"rollout.succeeded"' "$T/stream"
wait_for 20 'the other too' grep -q '"rollout.succeeded"' "$T/tail"
types() { alice fleet events --json "$@" | /usr/bin/python3 -c 'import json, sys
for line in sys.stdin:
    d = json.loads(line)
    assert d["pgtide"] == 1 and d["command"] == "fleet events"
    print(d["result"]["type"])'; }
check 'in order' same "$(types --rollout good | uniq | paste -sd' ')" \
    'plan.submitted plan.approved rollout.started wave.opened shard.dispatched shard.succeeded wave.done wave.opened shard.dispatched shard.succeeded wave.done rollout.succeeded'
alice fleet events --json >"$T/list"
check 'the agent was admitted' contains "$(head -n 1 "$T/list")" '"type":"agent.admitted"'
check 'what was streamed is what is listed' same "$(cat "$T/stream")" "$(cat "$T/list")"
check 'without --since only what comes' /usr/bin/python3 -c 'import sys
tail, whole = open(sys.argv[1]).read(), open(sys.argv[2]).read()
assert tail != whole and whole.endswith(tail)' "$T/tail" "$T/list"
check 'numbered upwards' /usr/bin/python3 -c 'import json, sys
seqs = [json.loads(l)["result"]["seq"] for l in open(sys.argv[1])]
assert seqs == sorted(set(seqs)) and len(seqs) > 10' "$T/list"

# --- filters
check 'by type' same "$(types --type 'wave.opened' --type 'rollout.*' | paste -sd' ')" \
    'rollout.started wave.opened wave.opened rollout.succeeded'
newest=$(tail -n 1 "$T/list" | json "d['result']['seq']")
check 'nothing after the newest' same "$(alice fleet events --since "$newest" --json)" ''
check 'the newest after the one before' same "$(types --since $((newest - 1)))" rollout.succeeded
expect_error 2 USAGE "no event is called 'rollout.strated'" alice fleet events --type rollout.strated
check 'with a word that helps' contains "$(cat "$T/error")" "Did you mean 'rollout.started'?"
expect_error 2 USAGE 'must be the number of an event' alice fleet events --since yesterday
expect_error 2 NOT_FOUND 'nothing' alice fleet events --rollout nothing

# --- a failure has its reason; people read lines
rollout_yaml "$T/bad.yaml" bad "$T/small.bundle" 'waves: [1, rest]' 'on-failure: rollback-wave' 'budget: {wave: 0, fleet: 0}'
started bad
wait_for 20 'the rollout to be over' is_over bad
failed=$(alice fleet events --type shard.failed --json)
check 'where, at what, by which error' same "$(json "[d['result'][k] for k in ('shard', 'revision', 'code', 'sqlstate')]" <<<"$failed")" \
    "['one/$(fleet_databases one | head -n 1)', '002_wrong', 'SQL', '42P01']"
check 'of which rollout' same "$(json "d['result']['rollout']['name']" <<<"$failed")" bad
check 'and what became of it' contains "$(types --rollout bad | uniq | paste -sd' ')" 'shard.failed rollout.halted'
expect_exit 0 alice fleet brake on --reason 'a quiet night'
expect_exit 0 alice fleet quarantine "one/$last_shard" --reason 'look at it'
alice fleet events --type 'fleet.*' --type shard.quarantined >"$T/lines"
check 'the brake' contains "$(cat "$T/lines")" 'fleet.braked            by alice  a quiet night'
check 'a shard by its name' contains "$(cat "$T/lines")" "shard.quarantined       one/$last_shard  by alice  look at it"

# --- over a killed coordinator: the same events under the same numbers; the stream goes on
alice fleet events --json >"$T/list"
fleet_coordinator_stop KILL
fleet_coordinator_start
check 'none is lost or changed' same "$(alice fleet events --json)" "$(cat "$T/list")"
expect_exit 0 alice fleet brake off --reason 'morning'
wait_for 30 'the stream to have gone on' grep -q '"fleet.unbraked"' "$T/stream"
kill -INT "$FOLLOWER"
status=0
wait "$FOLLOWER" || status=$?
check 'a signal ends the stream' same "$status" 130
check 'whose every line is whole' /usr/bin/python3 -c 'import json, sys; [json.loads(l) for l in open(sys.argv[1])]' "$T/stream"
