#!/usr/bin/env bash
# SCRAM over TCP: a right password connects, a wrong one is refused with its own word, neither is printed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin password
port=$((20000 + RANDOM % 20000))
cluster_start tcp listen_addresses=127.0.0.1 "port=$port"
cluster_port() { echo "$port"; }
project plain
PIDS=()
database tcp app
sql "CREATE ROLE writer LOGIN SUPERUSER PASSWORD 'r1ght'"
printf 'local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n' | as_pg tee "$T/tcp/data/pg_hba.conf" >/dev/null
sql 'SELECT pg_reload_conf()' >/dev/null
url="postgresql://writer@127.0.0.1:$port/app"
expect_exit 6 pgtide upgrade 001_first --url "$url"
PGPASSWORD=wr0ng expect_exit 6 pgtide upgrade 001_first --url "$url"
check 'says that the password is wrong' contains "$(cat "$T/err")" 'password authentication failed'
check 'does not say the password' same "$(grep -c wr0ng "$T/err" || true)" 0
PGPASSWORD=wr0ng expect_exit 6 pgtide upgrade 001_first --url "$url" --json
check 'the code is AUTH' contains "$(cat "$T/out")" '"code":"AUTH"'
PGPASSWORD=r1ght expect_exit 0 pgtide upgrade 001_first --url "$url"
check 'it is at 001' same "$(rows)" 001_first
