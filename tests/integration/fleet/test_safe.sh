#!/usr/bin/env bash
# Agents ensure the safe statements of a signed bundle: on adopted shards only, after a start, after the file has changed,
# on shards adopted later; and refuse what release keys have not signed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin safe
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
fleet_agent_stop one
sed -i 's/^inventory: .*/inventory: 1s\nsafe-bundle: safe.bundle/' "$T/agent-one/agent.yaml"
fleet_agent_start one
wait_for 30 'all shards reported' fleet_has_shards 3
project small
mkdir "$PROJECT/safe"
echo 'safe: safe' >>"$PROJECT/pgtide.yaml"
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
echo 'ALTER TABLE first ADD COLUMN IF NOT EXISTS a int;' >"$PROJECT/safe/010_first.sql"
bundle small
log=$T/agent-one/agent.log
columns() { sql one "tenant_000$1" "SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = to_regclass('first') AND attnum > 0 AND NOT attisdropped"; }
# As a person would: whole, under its name, in one moment.
install_bundle() { cp "$1" "$T/agent-one/new" && mv "$T/agent-one/new" "$T/agent-one/safe.bundle"; }
has_columns() { [ "$(columns "$1")" = "$2" ]; }
logged() { grep -q "$1" "$log"; }

# --- unsigned: refused, whatever it says
"$BIN/pgtide" bundle build --config "$PROJECT/pgtide.yaml" --name unsigned -o "$T/unsigned.bundle" >/dev/null
install_bundle "$T/unsigned.bundle"
wait_for 20 'the bundle to be refused' logged 'event=safe.bundle_refused.*SIGNATURE_INVALID'

# --- signed, and no shard is adopted yet: nothing is touched
install_bundle "$T/small.bundle"
wait_for 20 'the bundle to be read' logged 'event=safe.bundle '
check 'no shard was touched' same "$(sql one tenant_0001 "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgtide'")" 0

# --- a rollout adopts two shards: they get the column, the third is let be
rollout_yaml "$T/two.yaml" two "$T/small.bundle" 'select: database != tenant_0003'
started two
wait_for 30 'the rollout to be over' is_over two
for n in 1 2; do wait_for 20 "tenant $n to have the column" has_columns $n id,a; done
check 'the third is let be' same "$(columns 3)" ''
check 'no version row was touched' same "$(rows one tenant_0001)" 001_first

# --- the file changes: what is new in it follows, also what was taken away by hand
sql one tenant_0001 'ALTER TABLE first DROP COLUMN a' >/dev/null
echo 'ALTER TABLE first ADD COLUMN IF NOT EXISTS b int;' >>"$PROJECT/safe/010_first.sql"
rm "$T/small.bundle"
bundle small
install_bundle "$T/small.bundle"
wait_for 20 'the first to have both' has_columns 1 id,a,b
wait_for 20 'the second to have both' has_columns 2 id,a,b

# --- one that fails is told, does no harm, and is tried again
sql one tenant_0002 'ALTER TABLE first DROP COLUMN b; ALTER TABLE first OWNER TO postgres' >/dev/null
fleet_agent_stop one
fleet_agent_start one
wait_for 30 'the failure to be told' logged 'event=safe.failed.*database=tenant_0002'
sql one tenant_0002 "ALTER TABLE first OWNER TO $FLEET_ROLE" >/dev/null
wait_for 30 'it to be mended' has_columns 2 id,a,b

# --- the third is adopted
rollout_yaml "$T/third.yaml" third "$T/small.bundle" 'select: database = tenant_0003'
started third
wait_for 30 'the rollout to be over' is_over third
wait_for 20 'the third to have both' has_columns 3 id,a,b
