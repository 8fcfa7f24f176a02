#!/usr/bin/env bash
# How an agent proves to a cluster who it is: a command that prints the password, which is changed in the middle of a
# rollout; libpq's service file; TLS with an authority of our own, and a certificate of the agent's. No secret is in a
# log, an argument, a report or a file of ours.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin credentials
fleet_cluster one eu 3 1
fleet_keys one
fleet_coordinator

# --- the server: passwords by SCRAM, on its socket and by TLS
first=fi8st-Secret second=sec0nd-Secret
sql one postgres "ALTER ROLE $FLEET_ROLE PASSWORD '$first' CREATEDB"
authority=$T/authority
mkdir -m 700 "$authority"
certificate() { # NAME SUBJECT EXTENSION
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$2" \
        -keyout "$authority/$1.key" -out "$authority/$1.csr" 2>/dev/null
    openssl x509 -req -in "$authority/$1.csr" -CA "$authority/ca.crt" -CAkey "$authority/ca.key" -CAcreateserial -days 2 \
        -extfile <(echo "$3") -out "$authority/$1.crt" 2>/dev/null
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=ours' \
    -keyout "$authority/ca.key" -out "$authority/ca.crt" 2>/dev/null
certificate server localhost subjectAltName=DNS:localhost
certificate agent "$FLEET_ROLE" keyUsage=digitalSignature
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj '/CN=theirs' \
    -keyout "$authority/other.key" -out "$authority/other.crt" 2>/dev/null
for file in server.crt server.key ca.crt; do as_pg tee "$T/one/data/$file" <"$authority/$file" >/dev/null; done
as_pg chmod 600 "$T/one/data/server.key"
port=$(/usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
printf '%s\n' "listen_addresses = 'localhost'" 'ssl = on' "ssl_cert_file = 'server.crt'" "ssl_key_file = 'server.key'" \
    "ssl_ca_file = 'ca.crt'" "port = $port" | as_pg tee -a "$T/one/data/postgresql.conf" >/dev/null
printf '%s\n' 'local all postgres trust' 'local all all scram-sha-256' 'hostssl all all all scram-sha-256' | as_pg tee "$T/one/data/pg_hba.conf" >/dev/null
cluster_port() { echo "$port"; }
export PGPORT=$port
cluster_restart one

# --- a command that fails is told by its name, its status and its words, never by what it printed
password_command() { # LINE: what the command runs
    printf '#!/bin/sh\n%s\n' "$1" >"$T/fetch.new"
    chmod 700 "$T/fetch.new"
    mv "$T/fetch.new" "$T/fetch" # whole, whoever runs it now
}
vault=$T/vault
(umask 077 && echo "$first" >"$vault")
password_command "echo x >>$T/runs; echo $first; echo 'the vault is sealed' >&2; exit 7"
FLEET_EXTRA="    port: $port
    password-command: [$T/fetch, tenants]" fleet_agent one one eu
told() { alice fleet clusters --json | grep -q "ended with status 7: the vault is sealed"; }
wait_for 60 'the coordinator is told' told
check_agent() { # STATUS: --check with the file as it is
    expect_exit "$1" "$BIN/pgtide-agent" --config "$T/agent-one/agent.yaml" --check
}
check_agent 6
check '--check says so too' contains "$(cat "$T/out")" "ended with status 7: the vault is sealed"
password_command "echo x >>$T/runs; cat $vault"
wait_for 60 'the shards are there when it works' fleet_has_shards 3

# --- changed in the middle of a rollout: the step in hand ends, the next session asks for the new one
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);
SELECT pg_advisory_xact_lock(42);' 'DROP TABLE first;'
bundle small
rollout_yaml "$T/rotated.yaml" rotated "$T/small.bundle" 'concurrency: {fleet: 1}' 'order: inventory' \
    'locks: {timeout: 60s, attempts: 3}' 'backup: {method: dump, verify: true, restore-test: true, keep: 3}'
hold_lock one tenant_0001
started rotated
wait_for 90 'the first shard is at its lock' waits_for_lock one tenant_0001
runs=$(wc -l <"$T/runs")
sql one postgres "ALTER ROLE $FLEET_ROLE PASSWORD '$second'"
(umask 077 && echo "{\"password\": \"$second\", \"expires\": 3600}" >"$vault")
release_lock
wait_for 90 'the rollout is over' is_over rotated
check 'the rollout went on' same "$(state rotated)" succeeded
for database in tenant_0001 tenant_0002 tenant_0003; do
    check "$database: once" same "$(history one "$database")" 'upgrade:succeeded:001_first'
done
check 'the new password was asked for once' same "$(wc -l <"$T/runs")" "$((runs + 1))"

# --- no secret anywhere: logs, the arguments of what runs, what the coordinator knows, files of the agent
secretless() { ! grep -rqF -e "$first" -e "$second" "$@"; }
check 'no log has a password' secretless "$T"/*/*.log
check 'no report, manifest or ledger has one' secretless "$T/coordinator/state" "$T/agent-one/state"
check 'no status has one' secretless <(alice fleet status --json) <(alice rollout status rotated --shards --json)
# --- a service says where; what it says of a database is not what a dump is of
fleet_agent_stop one
printf '%s\n' '[tenants]' "host=$T/one/socket" "port=$port" "user=$FLEET_ROLE" dbname=postgres >"$T/services"
mkdir "$T/bin"
ln -s "$PG_BIN/pg_restore" "$T/bin/pg_restore"
printf '#!/bin/sh\ncat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n" >%s\nexec %s/pg_dump "$@"\n' \
    "$T/arguments" "$PG_BIN" >"$T/bin/pg_dump"
chmod 700 "$T/bin/pg_dump"
sed -e "s|^    host: .*|    service: tenants|" -e '/^    user:/d' -e '/^    port:/d' -e "s|pg-bin: .*|pg-bin: $T/bin|" \
    -e "s|^inventory:.*|&\nservice-file: $T/services|" -i "$T/agent-one/agent.yaml"
check_agent 0
fleet_agent_start one
wait_for 60 'the shards are there by the service' fleet_has_shards 3
revision 002_second 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;'
bundle second
rollout_yaml "$T/served.yaml" served "$T/second.bundle" 'backup: {method: dump, verify: true, keep: 3}'
started served
wait_for 90 'the rollout is over' is_over served
check 'the rollout by a service' same "$(state served)" succeeded
check 'the arguments were looked at' grep -q "^--dbname=dbname='tenant_000" "$T/arguments"
check 'no argument of any process has a password' secretless "$T/arguments"
dump=$(find "$T/agent-one/state/backups" -name '*.dump' -newer "$T/second.bundle" | head -n 1)
check 'the dump is of the tenant' contains "$("$PG_BIN/pg_restore" -l "$dump")" 'dbname: tenant_'
export PGSERVICEFILE=$T/services
sed -i '/^dbname=/d' "$T/services"
check 'the command line takes a service too' contains \
    "$(PGPASSWORD=$second PGTIDE_URL='service=tenants dbname=tenant_0001' "$BIN/pgtide" current --config "$PROJECT/pgtide.yaml")" 002_second
unset PGSERVICEFILE
fleet_agent_stop one

# --- TLS: only a server that our authority vouches for, under its name
tls() { # LINE… of the cluster
    {
        sed -n '1,/^clusters:/p' "$T/agent-one/agent.yaml"
        printf '%s\n' '  - name: one' "    port: $port" "    discover: SELECT database FROM tenants" "    pg-bin: $PG_BIN"
        printf '    %s\n' "$@"
    } >"$T/agent-one/tls.yaml"
    mv "$T/agent-one/tls.yaml" "$T/agent-one/agent.yaml"
}
sed -i '/^service-file:/d' "$T/agent-one/agent.yaml"
by_password=("user: $FLEET_ROLE" "password-command: [$T/fetch]" 'sslmode: verify-full')
tls 'host: localhost' "${by_password[@]}" "sslrootcert: $authority/ca.crt"
check_agent 0
tls 'host: localhost' "${by_password[@]}" "sslrootcert: $authority/other.crt"
check_agent 6
check 'a stranger of a server is refused' contains "$(cat "$T/out")" 'certificate verify failed'
tls 'host: 127.0.0.1' "${by_password[@]}" "sslrootcert: $authority/ca.crt"
check_agent 6
check 'a server of another name is refused' contains "$(cat "$T/out")" 'does not match host name'
printf '%s\n' 'local all postgres trust' 'hostssl all all all cert' | as_pg tee "$T/one/data/pg_hba.conf" >/dev/null
sql one postgres 'SELECT pg_reload_conf()' >/dev/null
tls 'host: localhost' "user: $FLEET_ROLE" 'sslmode: verify-full' "sslrootcert: $authority/ca.crt"
check_agent 6
check 'the server wants a certificate' contains "$(cat "$T/out")" 'valid client certificate'
tls 'host: localhost' "user: $FLEET_ROLE" 'sslmode: verify-full' "sslrootcert: $authority/ca.crt" \
    "sslcert: $authority/agent.crt" "sslkey: $authority/agent.key"
check_agent 0
fleet_agent_start one
wait_for 60 'the shards are there by TLS' fleet_has_shards 3
revision 003_third 002_second 'CREATE TABLE third (id int PRIMARY KEY);' 'DROP TABLE third;'
bundle third
rollout_yaml "$T/encrypted.yaml" encrypted "$T/third.bundle" 'backup: {method: dump, verify: true, keep: 3}'
started encrypted
wait_for 90 'the rollout is over' is_over encrypted
check 'the rollout by TLS and a certificate' same "$(state encrypted)" succeeded

# --- what contradicts itself is refused before anything is tried
tls 'host: localhost' "user: $FLEET_ROLE" "passfile: $T/vault" "password-command: [$T/fetch]"
check_agent 2
check 'two ways to a password' contains "$(cat "$T/err")" "has both 'passfile' and 'password-command'"
tls 'service: tenants' 'host: localhost'
check_agent 2
check 'two places' contains "$(cat "$T/err")" "has both 'service' and 'host'"
check 'still no log has a password' secretless "$T"/*/*.log
