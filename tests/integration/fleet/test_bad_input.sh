#!/usr/bin/env bash
# What people get wrong: each mistake is told in words, with file and line where there is one, ends with its own exit
# status and JSON error, and changes nothing.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin bad_input
fleet_cluster one eu 2 1
cluster_start locked
cluster_psql locked postgres <<'SQL'
CREATE ROLE pgtide_agent LOGIN PASSWORD 'r1ght';
CREATE DATABASE hidden OWNER pgtide_agent;
SQL
printf 'local all postgres trust\nlocal all all scram-sha-256\n' | as_pg tee "$T/locked/data/pg_hba.conf" >/dev/null
sql locked postgres 'SELECT pg_reload_conf()' >/dev/null
password() { (umask 077 && echo "*:*:*:*:$1" >"$T/passfile"); }
password wr0ng
fleet_keys one
fleet_coordinator
FLEET_EXTRA="  - {name: locked, host: $T/locked/socket, user: pgtide_agent, passfile: $T/passfile, shards: [{database: hidden}]}
  - {name: gone, host: $T/nowhere, user: pgtide_agent, shards: [{database: lost}]}" fleet_agent one one eu
wait_for 30 'the reachable shards' fleet_has_shards 2
bundle forge "$ROOT/migrations/example/pgtide.yaml"
pgtide() { "$BIN/pgtide" "$@"; }

# What must stay as it was: the shards, the coordinator's journal, and the files that commands write.
picture() {
    local database
    for database in tenant_0001 tenant_0002; do
        sql one "$database" "SELECT count(*), to_regnamespace('pgtide') IS NULL, to_regclass('alembic_version') IS NULL
            FROM pg_class"
    done
    cat "$T/coordinator/state"/journal.sqlite{,-wal} | sha256sum
    alice rollout list --json
    find "$T" -name '*.plan' -o -name '*.bundle' | sort
}
before=$(picture)
unchanged() { check "$1: nothing changed" same "$(picture)" "$before"; }

# The daemons print their errors for people; WORDS… must all be in it.
daemon_refuses() { # STATUS PROGRAM FILE WORDS…
    local status=$1 program=$2 file=$3 words
    shift 3
    expect_exit "$status" "$BIN/$program" --config "$file"
    for words in "$@"; do check "$program says: $words" contains "$(cat "$T/err")" "$words"; done
}

# --- coordinator.yaml
edit() { sed "$2" "$1" >"${1%.yaml}-bad.yaml"; }
yaml=$T/coordinator/coordinator.yaml bad=$T/coordinator/coordinator-bad.yaml
edit "$yaml" 's/^heartbeat:/hartbeat:/'
daemon_refuses 2 pgtide-coordinator "$bad" "$bad:6" "unknown key 'hartbeat' (did you mean 'heartbeat'?)"
edit "$yaml" 's/^heartbeat:.*/heartbeat: soon/'
daemon_refuses 2 pgtide-coordinator "$bad" "$bad:6" "'heartbeat' must be a duration such as 500ms"
edit "$yaml" 's/^heartbeat:.*/heartbeat: 1h/'
daemon_refuses 2 pgtide-coordinator "$bad" "$bad:6" "'heartbeat' must be from 50ms to 1m"
edit "$yaml" 's/^agent-deadline:.*/agent-deadline: 600ms/'
daemon_refuses 2 pgtide-coordinator "$bad" "'agent-deadline' must be at least twice the heartbeat"
edit "$yaml" '/^trust:/d'
daemon_refuses 2 pgtide-coordinator "$bad" "'trust' is missing"
edit "$yaml" 's/^trust:.*/trust: nowhere/'
daemon_refuses 2 pgtide-coordinator "$bad" "$T/coordinator/nowhere" 'No such file'
edit "$yaml" 's/^key:.*/key: nowhere.key/'
daemon_refuses 2 pgtide-coordinator "$bad" "$T/coordinator/nowhere.key" 'No such file'
edit "$yaml" 's/^key:.*/key: ..\/alice\/alice.key/'
daemon_refuses 5 pgtide-coordinator "$bad" 'coordinator'
edit "$yaml" 's/^state:/state: [1, 2/'
daemon_refuses 2 pgtide-coordinator "$bad" 'not valid YAML'
daemon_refuses 2 pgtide-coordinator "$T/none.yaml" "$T/none.yaml" 'No such file'
chmod 640 "$T/coordinator/coordinator.key"
daemon_refuses 2 pgtide-coordinator "$yaml" 'coordinator.key is open to others (mode 0640)' 'chmod 600'
chmod 600 "$T/coordinator/coordinator.key"
expect_exit 2 "$BIN/pgtide-coordinator" --chek
expect_exit 2 "$BIN/pgtide-coordinator" --take-over-from none
expect_exit 6 "$BIN/pgtide-coordinator" --config "$yaml" # another one has the journal
check 'it says who is in the way' contains "$(cat "$T/err")" 'journal.sqlite'
unchanged coordinator.yaml

# --- agent.yaml
yaml=$T/agent-one/agent.yaml bad=$T/agent-one/agent-bad.yaml
edit "$yaml" 's/^    user:/    usr:/'
daemon_refuses 2 pgtide-agent "$bad" "$bad:12" "unknown key 'clusters[0].usr' (did you mean 'user'?)"
edit "$yaml" '12{/^    user:/d}'
daemon_refuses 2 pgtide-agent "$bad" "'clusters[0]' needs 'user', or 'service'"
edit "$yaml" 's/^inventory:.*/inventory: soon/; s/name: gone,/name: one,/'
daemon_refuses 2 pgtide-agent "$bad" "$bad:8" "'inventory' must be a duration"
edit "$yaml" 's/name: gone,/name: one,/'
daemon_refuses 2 pgtide-agent "$bad" "$bad:16" "'clusters[2].name' is 'one' again"
edit "$yaml" '/^    discover:/d'
daemon_refuses 2 pgtide-agent "$bad" "'clusters[0]' needs 'shards', 'discover' or 'discover-command'"
edit "$yaml" 's/user: pgtide_agent, shards/port: 70000, user: pgtide_agent, shards/'
daemon_refuses 2 pgtide-agent "$bad" "'clusters[2].port' must be from 1 to 65535, not 70000"
edit "$yaml" '/^name:/d'
daemon_refuses 2 pgtide-agent "$bad" "'name' is missing"
edit "$yaml" 's/^clusters:/clsuters:/'
daemon_refuses 2 pgtide-agent "$bad" "unknown key 'clsuters' (did you mean 'clusters'?)"
edit "$yaml" 's|^key:.*|key: nowhere.key|'
daemon_refuses 2 pgtide-agent "$bad" "$T/agent-one/nowhere.key" 'No such file'
edit "$yaml" 's|^trust:.*|trust: nowhere|'
daemon_refuses 2 pgtide-agent "$bad" "$T/agent-one/nowhere" 'No such file'
edit "$yaml" 's/^name:.*/name: One/'
daemon_refuses 2 pgtide-agent "$bad" "$bad:1" "'name' must be"
chmod 644 "$T/one/one.key"
daemon_refuses 2 pgtide-agent "$yaml" 'one.key is open to others (mode 0644)' 'chmod 600'
chmod 600 "$T/one/one.key"
daemon_refuses 2 pgtide-agent "$T/none.yaml" "$T/none.yaml" 'No such file'
expect_exit 2 "$BIN/pgtide-agent" --chek
expect_exit 6 "$BIN/pgtide-agent" --config "$yaml" --check
check 'a wrong password is told' contains "$(cat "$T/out")" 'password authentication failed for user "pgtide_agent"'
check 'the good cluster too' contains "$(cat "$T/out")" 'cluster one: PostgreSQL'
check 'never the password' same "$(cat "$T/out" "$T/err" "$T/agent-one/agent.log" | grep -c wr0ng || true)" 0
unchanged agent.yaml

# --- a server that is not there, and one that refuses the password
expect_exit 0 alice fleet clusters --json
cluster_field() { json "[c for c in d['result']['clusters'] if c['name'] == '$1'][0]['$2']" <"$T/out"; }
for cluster in locked gone; do
    check "$cluster is unreachable" same "$(cluster_field "$cluster" reachable)" false
    check "its shards too" same "$(cluster_field "$cluster" shards | grep -o "'unreachable': 1")" "'unreachable': 1"
done
check 'one refuses' contains "$(cluster_field locked message)" 'password authentication failed'
check 'one is not there' contains "$(cluster_field gone message)" 'No such file or directory'
rollout_yaml "$T/bad.yaml" bad "$T/forge.bundle"
refuses() { expect_error "$1" "$2" "$3" alice rollout plan "$T/bad.yaml" -o "$T/bad.plan"; }
refuses 5 REFUSED 'gone/lost is unreachable'
rollout_yaml "$T/bad.yaml" bad "$T/forge.bundle" 'select: cluster != gone'
refuses 5 REFUSED 'locked/hidden is unreachable'
unchanged 'unreachable servers'

# --- a rollout's file: keys, types, values, names of files, things of a later version
of_one=('select: cluster = one')
bad_rollout() { # STATUS CODE WORDS LINE…
    rollout_yaml "$T/bad.yaml" bad "$T/forge.bundle" "${@:4}" "${of_one[@]}"
    refuses "$1" "$2" "$3"
}
bad_rollout 2 CONFIG "unknown key 'aprovals' (did you mean 'approvals'?)" 'aprovals: 3'
check 'with its place' same "$(json 'd["error"]["file"] + ":" + str(d["error"]["line"])' <"$T/out")" "$T/bad.yaml:4"
bad_rollout 2 CONFIG "bad.yaml:5:13: 'on-failure' must be one of pause, rollback-wave, rollback-rollout, not \"pauze\"" \
    'aprovals: 3' 'on-failure: pauze'
bad_rollout 2 CONFIG "'budget' must be a mapping" 'budget: many'
bad_rollout 2 CONFIG "'locks.timeout' must be from 10ms to 1m" 'locks: {timeout: 2h}'
bad_rollout 2 CONFIG "'concurrency.fleet' must be from 1 to 100000, not 0" 'concurrency: {fleet: 0}'
bad_rollout 2 CONFIG "unknown key 'gates[0].sqll'" 'gates: [{name: users, sqll: SELECT true}]'
bad_rollout 2 CONFIG "'windows[0].from' is missing" 'windows: [{days: mon-fri}]'
bad_rollout 2 CONFIG "'newcomers' can only be 'hold'" 'newcomers: last'
bad_rollout 2 CONFIG 'no shard is left after' 'waves: [rest, 1]'
bad_rollout 2 CONFIG 'all shards with its labels, or a number' 'waves: [{a: {labels: {canary: "true"}, size: 5%}}, rest]'
bad_rollout 2 CONFIG 'chosen by coverage, without' 'waves: [{a: {coverage: 1, size: 1}}, rest]'
bad_rollout 2 CONFIG 'no shard left has the labels of wave 1' 'waves: [{canary: {labels: {canary: maybe}}}, rest]'
bad_rollout 2 CONFIG "not \"0%\"" 'waves: [0%, rest]'
bad_rollout 2 CONFIG "not \"110%\"" 'waves: [110%]'
bad_rollout 2 CONFIG "duplicate key 'target'" 'target: head' 'target: 001_create_users'
bad_rollout 2 REVISION_UNKNOWN "099_none" 'target: 099_none'
bad_rollout 5 REFUSED 'a plan needs at least 1 approval' 'approvals: 0'
of_one=()
bad_rollout 2 EMPTY_SELECTION 'the selection matches no shard' 'select: cluster = two'
bad_rollout 2 USAGE 'selection, column 11: expected a value' 'select: "cluster = "'
rollout_yaml "$T/bad.yaml" 'A Name' "$T/forge.bundle"
refuses 2 CONFIG "'rollout' must be"
rollout_yaml "$T/bad.yaml" bad "$T/none.bundle"
refuses 2 NOT_FOUND "$T/none.bundle"
rollout_yaml "$T/bad.yaml" bad "$T/trust"
refuses 5 PROTOCOL 'not a bundle'
expect_error 2 NOT_FOUND "$T/none.yaml" alice rollout plan "$T/none.yaml" -o "$T/bad.plan"
expect_error 2 CONFIG 'not a UTF-8 text' alice rollout plan "$T/forge.bundle" -o "$T/bad.plan"
unchanged "a rollout's file"

# --- bundles nobody may run
mkdir "$T/other"
pgtide bundle build --config "$ROOT/migrations/example/pgtide.yaml" --name other -o "$T/other/bundle" >/dev/null
rollout_yaml "$T/bad.yaml" bad "$T/other/bundle" 'select: cluster = one'
refuses 5 SIGNATURE_INVALID 'the bundle is not signed'
expect_error 5 SIGNATURE_INVALID 'the bundle is not signed' pgtide bundle verify "$T/other/bundle" --trust "$T/trust"
pgtide bundle sign "$T/other/bundle" --key "$T/alice/alice.key" >/dev/null
refuses 5 KEY_UNKNOWN 'no key that signed the bundle may do so'
unchanged 'bundles nobody may run'

# --- files that are no plans, rollouts that do not exist
echo 'hello' >"$T/other/hello.plan"
head -c 4096 "$BIN/pgtide" >"$T/other/program.plan"
cp "$T/forge.bundle" "$T/other/bundle.plan"
before=$(picture)
for verb in approve 'reject --reason no' start status; do
    for file in hello program bundle; do
        # shellcheck disable=SC2086
        expect_error 5 PROTOCOL "$file.plan: not a plan" bob rollout $verb "$T/other/$file.plan"
    done
    # shellcheck disable=SC2086
    expect_error 2 NOT_FOUND "$T/none.plan" bob rollout $verb "$T/none.plan"
done
for verb in start pause resume abort rollback status watch; do
    expect_error 2 NOT_FOUND 'no rollout none' alice rollout $verb none
done
expect_error 2 USAGE 'needs --reason' bob rollout reject "$T/other/hello.plan"
unchanged 'files that are no plans'

# --- revisions
build() { pgtide bundle build --config "$PROJECT/pgtide.yaml" --name small -o "$T/other/small.bundle" "$@"; }
bad_project() { # CODE FILE:LINE WORDS
    expect_error 2 "$1" "$3" build
    check "its place: $3" same "$(json 'd["error"]["file"] + ":" + str(d["error"]["line"])' <"$T/out")" "$PROJECT/$2"
    rm -rf "$PROJECT/versions"
    project small
    revision 001_first '' 'SELECT 1;' 'SELECT 1;'
}
project small
revision 001_first '' 'SELECT 1;' 'SELECT 1;'
file=$PROJECT/versions/001_first.sql
revision 002_next 001_missing 'SELECT 1;' 'SELECT 1;'
bad_project GRAPH versions/002_next.sql:2 "revision 002_next revises '001_missing', which no file has"
revision 002_next 003_last 'SELECT 1;' 'SELECT 1;'
revision 003_last 002_next 'SELECT 1;' 'SELECT 1;'
bad_project GRAPH versions/002_next.sql:2 'cycle in the revisions (002_next, 003_last)'
revision 002_next 002_next 'SELECT 1;' 'SELECT 1;'
bad_project GRAPH versions/002_next.sql:2 'revises itself'
cp "$file" "${file%.sql}_again.sql"
bad_project GRAPH versions/001_first_again.sql:1 "two files are revision '001_first'"
cp "$file" "$PROJECT/versions/002_next.sql"
bad_project SCRIPT versions/002_next.sql:1 "the file of revision '001_first' must be named"
sed -i 's/^-- +downgrade/-- +downgarde/' "$file"
bad_project SCRIPT versions/001_first.sql:7 "unknown marker '-- +downgarde' | None | Did you mean '-- +downgrade'?"
sed -i 's/^-- +downgrade/-- +upgrade/' "$file"
bad_project SCRIPT versions/001_first.sql:7 "'-- +upgrade' stands twice"
sed -i '/^-- +downgrade/,$d' "$file"
bad_project SCRIPT versions/001_first.sql:6 'no `-- +downgrade` section'
sed -i 's/^-- +upgrade/SELECT 2;/' "$file"
bad_project SCRIPT versions/001_first.sql:4 'SQL before the first marker'
sed -i '1s/revision/revison/' "$file"
bad_project SCRIPT versions/001_first.sql:1 "unknown header 'revison:'"
revision 002_next 001_first $'SELECT 1;\nCOMMIT;' 'SELECT 1;'
bad_project SCRIPT versions/002_next.sql:7 "COMMIT can't be used in a revision"
revision 002_next 001_first "SELECT 'open;" 'SELECT 1;'
bad_project SCRIPT versions/002_next.sql:6 'a quoted string is not closed'
revision 002_next 001_first '\copy first from x' 'SELECT 1;'
bad_project SCRIPT versions/002_next.sql:6 "psql command \\copy can't be used"

# --- pgtide.yaml
echo 'version_tabel: x' >>"$PROJECT/pgtide.yaml"
bad_project CONFIG pgtide.yaml:2 "unknown key 'version_tabel' (did you mean 'version_table'?)"
echo 'naming: 5' >>"$PROJECT/pgtide.yaml"
bad_project CONFIG pgtide.yaml:2 "'naming' must be one of sequential, hash, not \"5\""
echo 'versions: [versions, {a: b}]' >"$PROJECT/pgtide.yaml"
bad_project CONFIG pgtide.yaml:1 "'versions[1]' must be a path, not a mapping"
echo 'versions: [versions' >"$PROJECT/pgtide.yaml"
bad_project CONFIG pgtide.yaml:2 'not valid YAML'
rm "$PROJECT/pgtide.yaml"
expect_error 2 NOT_FOUND "$PROJECT/pgtide.yaml" build
unchanged 'a project'

# --- the command line, keys and the way to the coordinator
expect_error 2 USAGE "unknown command 'fleet statsu' | None | Did you mean \`pgtide fleet status\`?" alice fleet statsu
expect_error 2 USAGE "unknown option '--slect' for \`pgtide fleet shards\` | None | Did you mean --select?" \
    alice fleet shards --slect x
expect_error 2 USAGE "needs FILE.yaml" alice rollout plan
expect_error 2 USAGE "unexpected argument 'more'" alice fleet status more
expect_error 2 USAGE "--timeout must be a duration, not 'soon'" alice fleet status --timeout soon
expect_error 2 USAGE 'no coordinator given' pgtide fleet status
expect_error 2 USAGE "'nonsense' is no endpoint" alice fleet status --coordinator nonsense
expect_error 2 NOT_FOUND "$T/none.key" alice fleet status --key "$T/none.key"
expect_error 5 KEY_UNKNOWN "the key of 'release' is no operator's" alice fleet status --key "$T/release/release.key"
expect_error 5 PROTOCOL 'not a signed trust' alice fleet status --trust "$T/forge.bundle"
expect_error 2 CONFIG 'is not a pgtide-public-key file' alice fleet admit "$T/bad.yaml"
expect_error 2 NOT_FOUND "$T/none.pub" alice fleet admit "$T/none.pub"
expect_error 6 TIMEOUT "ipc://$T/nobody" alice fleet status --coordinator "ipc://$T/nobody" --timeout 500ms
expect_error 5 REFUSED 'bob may not do this' bob fleet admit "$T/one/one.pub"
chmod 644 "$T/alice/alice.key"
expect_error 2 CONFIG 'alice.key is open to others (mode 0644)' alice fleet status
chmod 600 "$T/alice/alice.key"
unchanged 'the command line'

# --- the right password is all that one of them needed
password r1ght
hidden_is_there() { [ "$(alice fleet shards --select 'cluster = locked' --json | json 'd["result"]["shards"][0]["state"]')" = new ]; }
wait_for 30 'the cluster with the password' hidden_is_there
rollout_yaml "$T/good.yaml" good "$T/forge.bundle" 'select: cluster = locked'
started good
expect_exit 0 alice rollout watch good
check 'it is migrated' same "$(rows locked hidden)" 008_add_user_title
check 'the other cluster is not' same "$(rows one tenant_0001)" ''

# --- nobody there
fleet_coordinator_stop
expect_error 6 TIMEOUT 'no answer from the coordinator' alice fleet status --timeout 1s
expect_error 6 TIMEOUT 'no answer from the coordinator' alice rollout start good --timeout 1s
