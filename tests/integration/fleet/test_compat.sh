#!/usr/bin/env bash
# A contract step is held by a gate while an application still uses what it takes away, and goes on when that has stopped.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin fleet_compat
fleet_cluster one eu 2 1 fsync=off shared_preload_libraries=pg_stat_statements
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2
mapfile -t databases < <(fleet_databases one)
all_rows() { local d; for d in "${databases[@]}"; do rows one "$d"; done | paste -sd' '; }
everywhere() { local d; for d in "${databases[@]}"; do sql one "$d" "$1"; done; }

project small
revision 001_name '' 'CREATE TABLE people (id int PRIMARY KEY, name text); GRANT ALL ON people TO PUBLIC;' 'DROP TABLE people;'
revision 002_full_name 001_name 'ALTER TABLE people ADD COLUMN full_name text;' 'ALTER TABLE people DROP COLUMN full_name;'
revision 003_no_name 002_full_name 'ALTER TABLE people DROP COLUMN name;' 'ALTER TABLE people ADD COLUMN name text;'
sed -i 's/^-- message:/-- phase: expand\n&/' "$PROJECT/versions/002_full_name.sql"
sed -i 's/^-- message:/-- phase: contract\n&/' "$PROJECT/versions/003_no_name.sql"
bundle small
rollout_yaml "$T/expand.yaml" expand "$T/small.bundle" 'target: 002_full_name' 'waves: [rest]'
started expand
wait_for 30 'it to be over' is_over expand
check 'everything has expanded' same "$(all_rows)" '002_full_name 002_full_name'

contract() { # NAME GATE: a rollout that takes the name away
    rollout_yaml "$T/$1.yaml" "$1" "$T/small.bundle" 'waves: [rest]' "contract: {gate: unused}" \
        "gates: [{name: unused, when: [before], $2}]"
    started "$1"
}
# --- wrong gates
wrong() { # WORDS GATE [LINE…]
    rollout_yaml "$T/wrong.yaml" wrong "$T/small.bundle" "gates: [{name: unused, $2}]" "${@:3}"
    expect_exit 2 alice rollout plan "$T/wrong.yaml" -o "$T/wrong.plan"
    check "$2" contains "$(cat "$T/err")" "$1"
}
wrong 'objects, statements or strict, not' 'compat: all, when: [before]'
wrong 'looked at before a wave' 'compat: objects'
wrong 'belong to `compat`' 'sql: SELECT true, ignore: [a]'
wrong 'this is a downgrade' 'compat: objects, when: [before]' 'downgrade: 001_name'

# --- without statistics it can't tell
contract blind 'compat: statements, window: 100ms'
wait_for 20 'it to pause' is_state blind paused
check 'why' contains "$(state blind reason)" 'cannot tell which statements use what its steps take away: extension pg_stat_statements is not in this database'
expect_exit 0 alice rollout abort blind
wait_for 20 'it to be over' is_over blind

# --- objects
sql one "${databases[1]}" 'CREATE VIEW names AS SELECT name FROM people'
contract objects 'compat: objects, attempts: 1'
wait_for 20 'it to be over' is_over objects
check 'who and where' contains "$(state objects reason)" "gate 'unused' failed: one/${databases[1]}: view public.names uses public.people.name, which revision 003_no_name takes away"
expect_exit 0 alice rollout abort objects
sql one "${databases[1]}" 'DROP VIEW names'

# --- an application
everywhere 'CREATE EXTENSION pg_stat_statements'
sql one postgres "CREATE ROLE app LOGIN; GRANT pg_read_all_stats TO $FLEET_ROLE"
echo 'SELECT name FROM people WHERE id = 1;' >"$T/app.sql"
PGHOST=$T/one/socket PGUSER=app "$PG_BIN/pgbench" -n -R 50 -T 3600 -f "$T/app.sql" "${databases[1]}" >/dev/null 2>&1 &
PIDS+=($!)
asks() { [ -n "$(sql one "${databases[1]}" "SELECT sum(calls) FROM pg_stat_statements WHERE query LIKE 'SELECT name FROM people%'")" ]; }
wait_for 10 'the application' asks
contract once 'compat: statements, window: 500ms, attempts: 1'
wait_for 30 'it to be over' is_over once
check 'whose statement' contains "$(state once reason)" "one/${databases[1]}: role app uses public.people.name, which revision 003_no_name takes away: "
expect_exit 0 alice rollout abort once
contract held 'compat: statements, window: 500ms, interval: 100ms, attempts: 1000'
gate_field() { alice rollout status held --json | json "d['result']['gates'][0]$1"; }
looked_twice() { [ "$(gate_field "['looks']['failed']")" -ge 2 ]; }
wait_for 30 'two looks' looked_twice
check 'it is held' same "$(state held) $(all_rows)" 'running 002_full_name 002_full_name'
check 'the status says by whom' contains "$(gate_field "['message']")" 'role app uses'
kill "${PIDS[-1]}"
wait "${PIDS[-1]}" || true
unset 'PIDS[-1]'
wait_for 30 'it to go on' is_over held
check 'taken away' same "$(state held) $(all_rows)" 'succeeded 003_no_name 003_no_name'
