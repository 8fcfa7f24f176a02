#!/usr/bin/env bash
# Gates: a person's, and commands of the coordinator's configuration with their four verdicts; over a killed coordinator.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin gates
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
mkdir -p "$T/verdicts"
cat >"$T/verdict" <<E2
#!/bin/sh
echo "\$PGTIDE_GATE wave \$PGTIDE_WAVE \$PGTIDE_WHEN of \$PGTIDE_ROLLOUT" >>"$T/looks"
echo 'the orders come in slowly' >&2
exit "\$(cat "$T/verdicts/now")"
E2
chmod +x "$T/verdict"
cat >>"$T/coordinator/coordinator.yaml" <<E2
gate-commands:
  - {name: orders, command: ["$T/verdict"]}
E2
fleet_coordinator_stop
fleet_coordinator_start
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
all_rows() { local d; for d in $(fleet_databases one); do echo "$(rows one "$d")"; done | paste -sd' '; }
verdict() { echo "$1" >"$T/verdicts/now"; }
looks() { [ -e "$T/looks" ] && grep -c . "$T/looks" || echo 0; }

# --- wrong gates
wrong() { # WORDS LINE
    rollout_yaml "$T/wrong.yaml" wrong "$T/small.bundle" "$2"
    expect_exit 2 alice rollout plan "$T/wrong.yaml" -o "$T/wrong.plan"
    check "$2" contains "$(cat "$T/err")" "$1"
}
wrong 'needs one of' 'gates: [{name: nothing}]'
wrong 'needs one of' 'gates: [{name: both, person: look, command: orders}]'
wrong 'before, during, after' 'gates: [{name: late, person: look, when: [later]}]'
wrong 'a person looks before or after' 'gates: [{name: all night, person: look, when: [during]}]'
wrong "no command 'nothing'" 'gates: [{name: gone, command: nothing}]'

# --- a person: after the canary the rollout waits until somebody resumes it
rollout_yaml "$T/person.yaml" person "$T/small.bundle" 'waves: [1, rest]' \
    'gates: [{name: a look, person: are the orders right?, when: [after]}]'
started person
wait_for 20 'the rollout to pause' is_state person paused
check 'it says for what' same "$(state person reason)" "gate 'a look' waits for a person: are the orders right?"
check 'the canary alone' same "$(all_rows)" '001_first  '
fleet_coordinator_stop KILL
fleet_coordinator_start
wait_for 30 'the agent to be back' fleet_has_shards 3
check 'it waits, still' same "$(state person) $(all_rows)" 'paused 001_first  '
expect_exit 0 alice rollout resume person --reason 'they are'
wait_for 20 'the last wave to pause' eval '[ "$(all_rows)" = "001_first 001_first 001_first" ]'
wait_for 20 'the last wave to wait' is_state person paused
expect_exit 0 alice rollout resume person --reason 'all of them'
wait_for 20 'the rollout to be over' is_over person
check 'succeeded' same "$(state person)" succeeded

# --- a command: it is asked before, during and after; an error is asked again; what can't tell pauses; no stops
rollout_yaml "$T/back.yaml" back "$T/small.bundle" 'downgrade: base' 'waves: [1, rest]' \
    'gates: [{name: orders, command: orders, when: [before, after], interval: 100ms, attempts: 3}]'
verdict 7
started back
wait_for 20 'errors to be enough' is_state back paused
check 'inconclusive after three' same "$(looks)" 3
check 'with what it said' contains "$(state back reason)" "gate 'orders' is inconclusive: exit status 7: the orders come in slowly"
check 'nothing was begun' same "$(all_rows)" '001_first 001_first 001_first'
verdict 0
expect_exit 0 alice rollout resume back
wait_for 20 'the rollout to be over' is_over back
check 'succeeded' same "$(state back) $(all_rows)" 'succeeded   '
check 'it was asked before and after each wave' same "$(sort "$T/looks" | uniq -c | awk '{print $1, $4, $5}' | paste -sd' ')" \
    '1 1 after 4 1 before 1 2 after 1 2 before'

rollout_yaml "$T/stop.yaml" stop "$T/small.bundle" 'waves: [1, rest]' 'on-failure: rollback-wave' \
    'gates: [{name: orders, command: orders, when: [after]}]'
verdict 1
started stop
wait_for 20 'the rollout to be over' is_over stop
check 'stopped by its gate, and taken back' same "$(state stop) $(state stop reason)" \
    "rolled-back gate 'orders' failed: the orders come in slowly"
check 'the canary too' same "$(all_rows)" '  '
