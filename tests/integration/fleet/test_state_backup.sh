#!/usr/bin/env bash
# A coordinator's backup, made while it works in the middle of a rollout. The coordinator is lost, later than the backup
# knows; the backup takes the place of its state, is read-only until an operator takes over, and then the rollout that it
# knows goes on to its end: what the lost one had done since is found done, and no step runs twice.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin state_backup
fleet_cluster one eu 4 1
fleet_keys one
FLEET_AGENT_DEADLINE=30s fleet_coordinator
fleet_agent one one eu
wait_for 60 'all shards reported' fleet_has_shards 4
project small
revision 001_wait '' 'CREATE TABLE first (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE first;'
bundle small
rollout_yaml "$T/going.yaml" going "$T/small.bundle" 'waves: [1, 2, rest]' 'order: inventory' \
    'concurrency: {fleet: 1}' 'locks: {timeout: 60s, attempts: 3}'
hold_lock one tenant_0002
started going
wait_for 90 'the first shard is done' shard_is going one/tenant_0001 state current
wait_for 90 'the second is at its lock' waits_for_lock one tenant_0002

coordinator() { "$BIN/pgtide-coordinator" --config "$T/coordinator/coordinator.yaml" "$@"; }
says() { check "$1" contains "$(cat "$T/out" "$T/err")" "$2"; }

# --- made in the middle of it
expect_exit 0 coordinator --backup "$T/backup"
says 'what is in it' '3 files of plans and bundles'
says 'no key is' 'key and the trust file are not in it'
check 'closed to others' same "$(stat -c %a "$T/backup" "$T/backup/journal.sqlite" | tr '\n' ' ')" '700 600 '
expect_exit 0 coordinator --check-backup "$T/backup"
check 'no key is in it' test -z "$(find "$T/backup" -name '*.key')"
cp -a "$T/backup" "$T/kept"
expect_exit 2 coordinator --backup "$T/backup"
says 'it is not written over' "'$T/backup' is there already"
check 'it is as it was' diff -r "$T/backup" "$T/kept"
(cd "$T" && expect_exit 0 coordinator --backup with-key --with-key)
check 'the key is in it when it is asked for' cmp "$T/with-key/coordinator.key" "$T/coordinator/coordinator.key"
expect_exit 2 coordinator --with-key
expect_exit 1 coordinator --backup "$T/nowhere/backup"
check 'nothing half made is left' test -z "$(find "$T" -name '*.partial')"

# --- what is damaged is named
flip() { # FILE
    /usr/bin/python3 - "$1" <<'PY'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(0, 2)
    at = file.tell() // 2
    file.seek(at)
    byte = file.read(1)[0]
    file.seek(at)
    file.write(bytes([byte ^ 1]))
PY
}
blob=$(cd "$T/kept" && find blobs -type f | head -n 1)
flip "$T/kept/$blob"
expect_exit 1 coordinator --check-backup "$T/kept"
says 'a blob' "$blob is not what was backed up"
rm "$T/kept/$blob"
expect_exit 1 coordinator --check-backup "$T/kept"
says 'one that is missing' "$blob is missing"
flip "$T/with-key/journal.sqlite"
expect_exit 1 coordinator --check-backup "$T/with-key"
says 'the journal' 'journal.sqlite is not what was backed up'
expect_exit 2 coordinator --check-backup "$T/state"

# --- the rollout goes on to its end, and then all of it is lost
release_lock
wait_for 90 'the rollout is over' is_over going
check 'it has succeeded' same "$(state going)" succeeded
fleet_coordinator_stop KILL
expect_exit 6 coordinator --backup "$T/late"
says 'nobody is there' 'no coordinator answers'
rm -rf "$T/coordinator/state"
cp -a "$T/backup" "$T/coordinator/state"

# --- the drill: read-only, taken over, and the rollout is where it was
fleet_coordinator_start
read_only() { alice fleet status --json | json "d['result']['coordinator']['$1']"; }
is_read_only() { [ "$(read_only read_only)" = true ]; }
wait_for 60 'it is read-only' is_read_only
check 'and says why' contains "$(read_only read_only_reason)" 'its journal is a backup'
expect_error 5 STATE 'take-over-from' alice fleet brake on --reason 'is it dead?'
check 'the rollout is known' same "$(state going)" running
epoch=$(read_only epoch)
fleet_coordinator_stop
"$BIN/pgtide-coordinator" --config "$T/coordinator/coordinator.yaml" --take-over-from "$epoch" >>"$T/coordinator/coordinator.log" 2>&1 &
FLEET_PID[coordinator]=$!
PIDS+=($!)
wait_for 60 'all shards reported' fleet_has_shards 4
wait_for 90 'the rollout is over again' is_over going
check 'it has succeeded again' same "$(state going)" succeeded
for database in tenant_0001 tenant_0002 tenant_0003 tenant_0004; do
    check "$database: each step once" same "$(history one "$database")" 'upgrade:succeeded:001_wait'
done
expect_exit 0 coordinator --backup "$T/again"
expect_exit 0 coordinator --check-backup "$T/again"
