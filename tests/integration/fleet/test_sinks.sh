#!/usr/bin/env bash
# Events sent out: webhooks that fail, hang, or want no more, and commands; signatures, order, the dead and their
# retry, over a killed coordinator.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin sinks
unset http_proxy https_proxy all_proxy HTTPS_PROXY ALL_PROXY
SECRET=whsec_$(head -c 32 /dev/urandom | base64)
umask 077
echo "$SECRET" >"$T/secret"
receiver() { # NAME [CERTIFICATE]: its port is in $T/NAME/port
    mkdir -p "$T/$1"
    /usr/bin/python3 "$ROOT/tests/integration/fleet/receiver.py" "$T/$1" "$SECRET" "${@:2}" &
    PIDS+=($!)
    wait_for 60 "receiver $1" test -s "$T/$1/port"
}
answer() { echo "$2" >"$T/in/$1.new" && mv "$T/in/$1.new" "$T/in/$1"; } # of the path /$1
got() { # of the path /$1, each once, in the order of their first coming
    [ ! -e "$T/in/got" ] || /usr/bin/python3 -c 'import json, sys
seen = []
for line in open(sys.argv[1]):
    d = json.loads(line)
    if d["to"] == sys.argv[2] and d["seq"] not in seen: seen.append(d["seq"])
print(*seen)' "$T/in/got" "$1"
}
has_got() { [[ " $(got "$1") " = *" $2 "* ]]; }
listed() { # numbers of events, with more options
    alice fleet events --json "$@" | /usr/bin/python3 -c 'import json, sys
print(*[json.loads(l)["result"]["seq"] for l in sys.stdin])'
}
newest() { listed | awk '{print $NF}'; }
sink() { alice fleet status --json | json "[s for s in d['result']['sinks'] if s['name'] == '$1'][0]['$2']"; }
sink_is() { [ "$(sink "$1" "$2")" = "$3" ]; }
is_failing() { [ "$(sink "$1" failing_since)" != None ]; }

receiver in
for name in all some; do answer "$name" 200; done
url=http://127.0.0.1:$(cat "$T/in/port")
fleet_cluster one eu 3 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 3
before=$(newest)
fleet_coordinator_stop
yaml=$T/coordinator/coordinator.yaml
cp "$yaml" "$T/plain.yaml"

# --- wrong configurations
wrong() { # WORDS LINES
    { cat "$T/plain.yaml" && printf '%s\n' "$2"; } >"$T/coordinator/wrong.yaml"
    expect_exit "${3:-2}" "$BIN/pgtide-coordinator" --config "$T/coordinator/wrong.yaml" --check
    check "$2" contains "$(cat "$T/err")" "$1"
}
wrong "no event is called 'rollout.strated'" "webhooks: [{name: a, url: '$url/all', secret-file: ../secret, events: [rollout.strated]}]"
wrong 'must not hold a user' "webhooks: [{name: a, url: 'http://me:pass@localhost/', secret-file: ../secret}]"
wrong 'must begin with https:// or http://' "webhooks: [{name: a, url: 'ftp://localhost/', secret-file: ../secret}]"
wrong 'two sinks named a' "$(printf '%s\n' "webhooks: [{name: a, url: '$url/all', secret-file: ../secret}]" 'event-commands: [{name: a, command: [cat]}]')"
wrong 'secret-file' "webhooks: [{name: a, url: '$url/all'}]"
install -m 644 "$T/secret" "$T/open"
wrong 'is open to others (mode 0644)' "webhooks: [{name: a, url: '$url/all', secret-file: ../open}]"
echo whsec_short >"$T/short"
wrong "does not hold a webhook's secret" "webhooks: [{name: a, url: '$url/all', secret-file: ../short}]"

# --- a command beside webhooks, one of which hangs: all goes on
cat >"$T/note" <<'SH'
#!/bin/sh
printf '%s %s %s ' "$PGTIDE_EVENT_TYPE" "$PGTIDE_ROLLOUT" "$1" >>"$2"
cat >>"$2"
SH
chmod +x "$T/note"
cat >>"$yaml" <<YAML
webhooks:
  - {name: all, url: "$url/all", secret-file: ../secret, timeout: 5s, attempts: 1000, retry: 50ms}
  - {name: some, url: "$url/some", secret-file: ../secret, events: [rollout.*], timeout: 2s, attempts: 2, retry: 10ms}
event-commands:
  - {name: note, command: ["$T/note", "two words", "$T/noted"], events: [rollout.started, rollout.succeeded]}
YAML
fleet_coordinator_start
wait_for 30 'the agent to be back' fleet_has_shards 3
check 'three sinks' same "$(alice fleet status --json | json "[s['kind'] for s in d['result']['sinks']]")" "['webhook', 'webhook', 'command']"
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
answer some hang
rollout_yaml "$T/good.yaml" good "$T/small.bundle" 'waves: [1, rest]'
started good
wait_for 30 'the rollout to be over' is_over good
check 'a sink that hangs held up nothing' same "$(state good)" succeeded
last=$(newest)
wait_for 30 'the newest event to arrive' has_got all "$last"
check 'all of them, in order, and none from before the sink' same "$(got all)" "$(listed --since "$before")"
check 'each signed' same "$(grep -c '"good": false' "$T/in/got" || true)" 0
wait_for 30 'the command to have both' eval '[ "$(wc -l <"$T/noted")" = 2 ]'
check 'its facts' same "$(cut -d' ' -f1-4 "$T/noted" | paste -sd'|')" 'rollout.started good two words|rollout.succeeded good two words'
check 'the event on its standard input' same "$(tail -n 1 "$T/noted" | cut -d' ' -f5- | json "d['seq']")" "$last"

# --- what was tried often enough is dead; the sink goes on; the dead are tried again when somebody says so
wait_for 30 'both events to be dead' sink_is some dead 2
alice fleet events --dead >"$T/dead"
check 'with the last error' contains "$(cat "$T/dead")" "rollout.started  2 attempts: no answer from 127.0.0.1:$(cat "$T/in/port") within 2s"
check 'a line each' same "$(wc -l <"$T/dead")" 2
answer some 410
expect_exit 0 alice fleet events --retry some
check 'how many' contains "$(cat "$T/out")" '2 dead events go to some again'
tried_again() { alice fleet events --dead | grep -q "3 attempts: answered 410"; }
wait_for 30 'them to be dead again' tried_again
answer some 200
expect_exit 0 alice fleet events --retry some
wait_for 30 'none to be dead' sink_is some dead 0
check 'they have come' same "$(got some)" "$(listed --since "$before" --type 'rollout.*')"
expect_error 5 STATE 'some has no dead events' alice fleet events --retry some
expect_error 2 NOT_FOUND "no webhook or command 'nothing'" alice fleet events --retry nothing
expect_error 2 USAGE "can't be said together" alice fleet events --dead --follow

# --- a killed coordinator goes on where it was: nothing is lost, nothing changes its place
answer all 500
rollout_yaml "$T/back.yaml" back "$T/small.bundle" 'downgrade: base' 'waves: [1, rest]'
started back
wait_for 30 'the rollout to be over' is_over back
wait_for 30 'the sink to be failing' is_failing all
check 'as status says' contains "$(alice fleet status)" 'webhook all, failing since'
check 'and why' same "$(sink all message)" 'answered 500'
fleet_coordinator_stop KILL
fleet_coordinator_start
last=$(newest)
wait_for 30 'it to fail again' is_failing all
answer all 204
wait_for 30 'the newest event to arrive' has_got all "$last"
check 'all of them, in order' same "$(got all)" "$(listed --since "$before")"
wait_for 30 'it to be well' sink_is all failing_since None
wait_for 30 'its position to be the newest event' sink_is all position "$last"
passed() { /usr/bin/python3 -c 'import json, sys
print(sum(d["to"] == "all" and d["answer"] in ("200", "204") for d in map(json.loads, open(sys.argv[1]))))' "$T/in/got"; }
count=$(passed)
fleet_coordinator_stop
fleet_coordinator_start
expect_exit 0 alice fleet brake on --reason 'a quiet night'
last=$(newest)
wait_for 30 'the brake to be told' has_got all "$last"
check 'after an orderly stop nothing comes twice' same "$(passed)" "$((count + 1))"
check 'the same event is the same, whenever it is sent' /usr/bin/python3 -c 'import json, sys
events = {}
for d in map(json.loads, open(sys.argv[1])):
    assert events.setdefault(d["seq"], d["event"]) == d["event"]' "$T/in/got"

# --- the secret is read anew at each try; a file that others may read signs nothing
new_secret=whsec_$(head -c 32 /dev/urandom | base64)
expect_secret() { echo "$1" >"$T/in/secret.new" && mv "$T/in/secret.new" "$T/in/secret"; } # of the receiver
brake() { expect_exit 0 alice fleet brake "$1" --reason 'a change of secrets' && last=$(newest); }
arrives() { wait_for 30 'the event to arrive' has_got all "$last"; }
is_signed() { /usr/bin/python3 -c 'import json, sys
print([d["good"] for d in map(json.loads, open(sys.argv[1])) if d["to"] == "all" and d["seq"] == int(sys.argv[2])][-1])' "$T/in/got" "$last"; }
expect_secret "$new_secret"
brake off
arrives
check 'the receiver is ahead' same "$(is_signed)" False
echo "$new_secret" >"$T/secret.new"
mv "$T/secret.new" "$T/secret"
brake on
arrives
check 'signed with the new secret, without a restart' same "$(is_signed)" True
printf '%s\n' "$new_secret" "$SECRET" >"$T/secret"
expect_secret "$SECRET"
brake off
arrives
check 'a file that was written over is read too' same "$(is_signed)" True
chmod 644 "$T/secret"
brake on
wait_for 30 'the sink to be failing' is_failing all
check 'in words' contains "$(sink all message)" 'is open to others (mode 0644)'
rm "$T/secret"
misses_file() { [[ "$(sink all message)" = "can't open $T/"*'No such file'* ]]; }
wait_for 30 'the sink to miss its file' misses_file
check 'nothing was sent' eval '! has_got all "$last"'
echo "$SECRET" >"$T/secret"
arrives
check 'signed' same "$(is_signed)" True

# --- TLS: a certificate that nobody here knows is refused, one that is named is not
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext 'subjectAltName=DNS:localhost' \
    -keyout "$T/tls.key" -out "$T/tls.crt" 2>/dev/null
cat "$T/tls.key" "$T/tls.crt" >"$T/tls.pem"
mkdir -p "$T/tls" && echo 200 >"$T/tls/tls"
receiver tls "$T/tls.pem"
tls_sink() { # MORE
    fleet_coordinator_stop
    { cat "$T/plain.yaml" && echo "webhooks: [{name: tls, url: 'https://localhost:$(cat "$T/tls/port")/tls', secret-file: ../secret, retry: 50ms$1}]"; } >"$yaml"
    fleet_coordinator_start
}
tls_sink ''
expect_exit 0 alice fleet brake off --reason morning
wait_for 30 'the sink to be failing' is_failing tls
check 'by its certificate' contains "$(sink tls message)" "the certificate of localhost:$(cat "$T/tls/port") can't be verified"
check 'nothing was sent' test ! -e "$T/tls/got"
tls_sink ", ca-file: $T/tls.crt"
wait_for 30 'the event to arrive' test -s "$T/tls/got"
check 'that one' contains "$(cat "$T/tls/got")" '"type": "fleet.unbraked"'

check 'no secret in the log' same "$(grep -cF -e "${SECRET#whsec_}" -e "${new_secret#whsec_}" "$T/coordinator/coordinator.log" || true)" 0
