#!/usr/bin/env bash
# A gate that asks Prometheus: a server of ours that answers what the test says, with its token; conditions that hold, do
# not, or can't be judged; a server that is away; and what `rollout status` tells of all these looks.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin gates_prometheus
fleet_cluster one eu 2 1
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
wait_for 30 'all shards reported' fleet_has_shards 2
project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
bundle small
all_rows() { local d; for d in $(fleet_databases one); do echo "$(rows one "$d")"; done | paste -sd' '; }

# --- without a server there are no such gates
rollout_yaml "$T/early.yaml" early "$T/small.bundle" 'gates: [{name: errors, prometheus: up, success: result == 1}]'
expect_error 2 CONFIG 'no Prometheus' alice rollout plan "$T/early.yaml" -o "$T/early.plan"

cat >"$T/prometheus.py" <<'E2'
import http.server, sys, urllib.parse
directory = sys.argv[1]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        with open(directory + "/asked", "a") as asked:
            asked.write("%s %s %s\n" % (self.path, form["query"][0], self.headers.get("Authorization")))
        with open(directory + "/answer") as answer:
            status, body = answer.read().split(" ", 1)
        self.send_response(int(status))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(directory + "/port.new", "w") as port:
    port.write(str(server.server_port))
import os
os.rename(directory + "/port.new", directory + "/port")
server.serve_forever()
E2
mkdir "$T/prometheus"
/usr/bin/python3 "$T/prometheus.py" "$T/prometheus" &
PIDS+=($!)
wait_for 20 'the server to listen' test -s "$T/prometheus/port"
answers() { # STATUS VALUE…: a vector of them
    local status=$1 value list=
    shift
    for value; do list="$list${list:+,}{\"metric\":{\"shop\":\"eu\"},\"value\":[1,\"$value\"]}"; done
    echo "$status {\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[$list]}}" >"$T/prometheus/answer"
}
echo 'a-secret' >"$T/coordinator/bearer"
cat >>"$T/coordinator/coordinator.yaml" <<E2
prometheus: {url: "http://127.0.0.1:$(cat "$T/prometheus/port")/", bearer-file: bearer}
E2
fleet_coordinator_stop
fleet_coordinator_start
wait_for 30 'the agent to be back' fleet_has_shards 2

# --- wrong gates
wrong() { # WORDS GATE
    rollout_yaml "$T/wrong.yaml" wrong "$T/small.bundle" "gates: [{name: wrong, $2}]"
    expect_exit 2 alice rollout plan "$T/wrong.yaml" -o "$T/wrong.plan"
    check "$2" contains "$(cat "$T/err")" "$1"
}
wrong 'needs `success` or `failure`' 'prometheus: up'
wrong 'belong to `prometheus`' 'sql: SELECT true, success: result == 1'
wrong 'expected a number at character 10' 'prometheus: up, success: result < low'

gate() { # NAME GATE LINE…
    rollout_yaml "$T/$1.yaml" "$1" "$T/small.bundle" 'waves: [1, rest]' \
        "gates: [{name: errors, interval: 100ms, attempts: 3, $2}]" "${@:3}"
    started "$1"
}
looks() { alice rollout status "$1" --json | json "' '.join('%s:%d' % kv for kv in d['result']['gates'][0]['looks'].items())"; }

# --- no data: it can't tell, until there is some
answers 200
gate data 'prometheus: "rate(errors{job=\"shop\"}[5m])", success: result < 0.01, when: [before, after]'
wait_for 20 'it to pause' is_state data paused
check 'no data' same "$(state data reason)" "gate 'errors' is inconclusive: the query gives no data"
check 'what was asked, by whom' same "$(head -n 1 "$T/prometheus/asked")" \
    '/api/v1/query rate(errors{job="shop"}[5m]) Bearer a-secret'
check 'its status' contains "$(alice rollout status data)" '1 inconclusive'
answers 200 0.001 0.002
expect_exit 0 alice rollout resume data
wait_for 30 'the rollout to be over' is_over data
check 'succeeded' same "$(state data) $(all_rows)" 'succeeded 001_first 001_first'
check 'its looks' same "$(looks data)" 'succeeded:4 failed:0 inconclusive:1 error:0'

# --- one sample too many stops it, and the wave is taken back
answers 200 0.001 0.5
gate bad 'prometheus: up, success: result < 0.01' 'downgrade: base' 'on-failure: rollback-wave'
wait_for 30 'the rollout to be over' is_over bad
check 'which sample' same "$(state bad) $(state bad reason)" \
    "rolled-back gate 'errors' failed: result of {\"shop\":\"eu\"} is 0.5"
check 'all as before' same "$(all_rows)" '001_first 001_first'

# --- errors of the server are asked again, and never pass
echo '503 {"status":"error","error":"too many queries"}' >"$T/prometheus/answer"
gate away 'prometheus: up, failure: result > 0.01' 'downgrade: base'
wait_for 20 'it to pause' is_state away paused
check 'what it said' same "$(state away reason)" "gate 'errors' is inconclusive: the server answered 503: too many queries"
check 'three times' same "$(looks away)" 'succeeded:0 failed:0 inconclusive:0 error:3'
answers 200 0
expect_exit 0 alice rollout resume away
wait_for 30 'the rollout to be over' is_over away
check 'succeeded' same "$(state away) $(all_rows)" 'succeeded  '
check 'the token is in no log' eval '! grep -q a-secret "$T"/*/*.log'
