#!/usr/bin/env bash
# A server that is newer than this host's pg_dump: what needs one says so and what to install, and leaves nothing.
# Run by tests/servers, on each version that is newer.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin old_client
fleet_cluster one eu 1 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'the shard is reported' fleet_has_shards 1
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small

client=$("$PG_BIN/pg_dump" --version | sed 's/.*) \([0-9]*\).*/\1/')
url="postgresql://postgres@/tenant_0001?host=$T/one/socket"
databases() { sql one postgres "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database"; }
before=$(databases)
refused() { # STATUS CODE CMD…
    local status=$1 code=$2
    shift 2
    expect_error "$status" "$code" "pg_dump $client is older than the server, $(pg_major)" "$@"
    check 'what to install' contains "$(cat "$T/error")" "Install postgresql-client-$(pg_major)"
    check 'nothing is left' same "$(databases)" "$before"
}

refused 5 STATE "$BIN/pgtide" rehearse --url "$url" --bundle "$T/small.bundle"
refused 5 STATE "$BIN/pgtide" squash 001_first --config "$PROJECT/pgtide.yaml" --scratch-url "$url"
check 'no baseline is written' same "$(ls "$PROJECT/versions")" 001_first.sql
refused 5 STATE alice rehearse --shard one/tenant_0001 --bundle "$T/small.bundle" --scratch-url "$url"
rollout_yaml "$T/first.yaml" first "$T/small.bundle" 'backup: {method: dump}'
refused 1 BACKUP alice rollout plan "$T/first.yaml" -o "$T/first.plan"
check 'no plan is made' test ! -e "$T/first.plan"
expect_exit 6 "$BIN/pgtide-agent" --check --config "$T/agent-one/agent.yaml"
check 'an agent tells it too' contains "$(cat "$T/out")" "pg_dump $client is older than the server, $(pg_major). Install postgresql-client-$(pg_major)"
