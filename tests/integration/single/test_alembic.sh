#!/usr/bin/env bash
# Real Alembic on the same database: it reads what pgtide wrote, is adopted without stamping, and the two exclude each
# other in the middle of a step.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin alembic
/usr/bin/python3 -c 'import alembic, psycopg2' || { echo 'python3-alembic and python3-psycopg2 are needed' >&2; exit 1; }
cluster_start one
project small

mkdir -p "$T/alembic/versions"
cat >"$T/alembic/env.py" <<'PY'
import os
from alembic import context
from sqlalchemy import create_engine
engine = create_engine(os.environ["ALEMBIC_URL"])
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
PY
printf '[alembic]\nscript_location = %s\n' "$T/alembic" >"$T/alembic.ini"
alembic_revision() { # ID PARENT SQL
    printf 'from alembic import op\nrevision = "%s"\ndown_revision = %s\ndef upgrade():\n    op.execute("""%s""")\ndef downgrade():\n    pass\n' \
        "$1" "$2" "$3" >"$T/alembic/versions/$1.py"
}
alembic_revision 001_first None 'CREATE TABLE first (id int)'
alembic_revision 002_wait '"001_first"' 'CREATE TABLE second (id int)'
alembic_revision 003_last '"002_wait"' 'SELECT pg_advisory_xact_lock(42)'
real_alembic() { ALEMBIC_URL="postgresql+psycopg2://postgres@/$DATABASE?host=$T/one/socket" /usr/bin/python3 -m alembic.config -c "$T/alembic.ini" "$@"; }
version_waits() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE relation = 'alembic_version'::regclass AND NOT granted")" = 1 ]; }

# --- Alembic's database is adopted without stamping, and handed back
database one adopted
real_alembic upgrade 001_first 2>/dev/null
expect_exit 0 pgtide upgrade 002_wait
check 'Alembic reads our row' contains "$(real_alembic current 2>/dev/null)" 002_wait
check 'the adopted row was kept' same "$(sql "SELECT rows_after FROM pgtide.history WHERE direction = 'adopt'")" '{001_first}'

# --- Alembic starts during our step: it waits, then fails its own row count
database one racing
real_alembic upgrade 001_first 2>/dev/null
expect_exit 0 pgtide ensure-version
hold_lock
"$BIN/pgtide" upgrade 002_wait --lock-timeout 60s >"$T/step.out" 2>"$T/step.err" &
step=$!
PIDS+=("$step")
wait_for 10 'our step to reach its lock' step_waits
sed -i 's/CREATE TABLE second/CREATE TABLE theirs/' "$T/alembic/versions/002_wait.py"
real_alembic upgrade 002_wait >"$T/alembic.out" 2>&1 &
theirs=$!
PIDS+=("$theirs")
wait_for 20 'Alembic to wait for the version table' version_waits
release_lock
status=0
wait "$step" || status=$?
check 'our step succeeded' same "$status" 0
status=0
wait "$theirs" || status=$?
check 'Alembic failed' test "$status" -ne 0
check 'one of the two happened' same "$(rows)|$(sql "SELECT to_regclass('second'), to_regclass('theirs')")" '002_wait|second|'

# --- Alembic is in the middle of its run: our step waits for the version table, gives up, nothing changed
database one busy
real_alembic upgrade 001_first 2>/dev/null
expect_exit 0 pgtide ensure-version
hold_lock
real_alembic upgrade 003_last >"$T/alembic.out" 2>&1 &
theirs=$!
PIDS+=("$theirs")
wait_for 20 'Alembic to be in its last revision' step_waits
expect_exit 6 pgtide upgrade 002_wait --lock-timeout 200ms
release_lock
wait "$theirs"
check 'Alembic went through' same "$(rows)" 003_last
expect_exit 0 pgtide upgrade
check 'pgtide notices who moved it' contains "$(cat "$T/err")" 'another tool moved'
check 'and records it' same "$(sql "SELECT rows_before, rows_after FROM pgtide.history WHERE direction = 'external'")" '{001_first}|{003_last}'
