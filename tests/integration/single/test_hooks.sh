#!/usr/bin/env bash
# The hooks of pgtide.yaml: when they run and what they see, and what becomes of the run when one of them fails.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin hooks
cluster_start one
project small
revision 002_wait 001_first 'CREATE TABLE second (id int PRIMARY KEY);' 'DROP TABLE second;'
LOG=$T/log
export LOG
cat >"$PROJECT/hook" <<'SH'
#!/bin/sh
[ -z "${PGTIDE_URL:-}" ] || echo "the url is seen" >>"$LOG"
[ ! -e "$LOG.fail-$1-${PGTIDE_REVISION:-run}" ] || { echo "no: $1"; exit 3; }
echo "$1 $PGTIDE_DIRECTION [$PGTIDE_REVISION] [$PGTIDE_ROWS] $PGTIDE_DATABASE/$PGTIDE_SCHEMA [$PGTIDE_OUTCOME] $PWD" >>"$LOG"
SH
chmod +x "$PROJECT/hook"
cat >"$PGTIDE_CONFIG" <<'YAML'
versions: versions
hooks:
  before-run:
    - sql: CREATE TABLE IF NOT EXISTS seen (at text); INSERT INTO seen VALUES ('before-run');
    - command: [./hook, before-run]
  after-run:
    - command: [./hook, after-run]
    - sql: INSERT INTO seen VALUES ('after-run')
  before-revision:
    - command: [./hook, before]
  after-revision:
    - {command: [./hook, after]}
    - sql: INSERT INTO seen SELECT 'after ' || max(version_num) FROM alembic_version
YAML
hooks() {
    cat "$LOG"
    rm "$LOG"
}
seen() { sql "SELECT string_agg(at, ',') FROM seen"; }

# --- in order, with what they need to know, in the project's directory
database one every
expect_exit 0 pgtide upgrade 002_wait
check 'programs' same "$(hooks)" "before-run upgrade [] [] every/ [] $PROJECT
before upgrade [001_first] [] every/ [] $PROJECT
after upgrade [001_first] [001_first] every/ [succeeded] $PROJECT
before upgrade [002_wait] [001_first] every/ [] $PROJECT
after upgrade [002_wait] [002_wait] every/ [succeeded] $PROJECT
after-run upgrade [] [002_wait] every/ [succeeded] $PROJECT"
check 'statements' same "$(seen)" 'before-run,after 001_first,after 002_wait,after-run'
expect_exit 0 pgtide downgrade 001_first --quiet
check 'downgrades' contains "$(hooks)" 'after downgrade [002_wait] [001_first]'
expect_exit 0 pgtide upgrade 001_first
check 'nothing to do, nothing to hook' test ! -e "$LOG"
expect_exit 0 pgtide upgrade --dry-run
check 'a dry run leaves them out' test ! -e "$LOG"
check 'and says so' contains "$(cat "$T/err")" 'hooks'
expect_exit 0 pgtide stamp 001_first
check 'a stamp has none' test ! -e "$LOG"
expect_exit 0 pgtide upgrade --no-hooks
check '--no-hooks' test ! -e "$LOG"
expect_exit 2 pgtide downgrade base --single-transaction
check 'no room between the steps of one transaction' contains "$(cat "$T/err")" 'no room for hooks'
check 'nothing ran' same "$(rows)" 003_last
expect_exit 0 pgtide downgrade base --single-transaction --no-hooks

# --- before-run fails: nothing is begun, after-run is told
database one before_run
touch "$LOG.fail-before-run-run"
expect_exit 1 pgtide upgrade
check 'names the hook' contains "$(cat "$T/err")" 'the before-run hook: ./hook ended with exit status 3'
check 'and its place' contains "$(cat "$T/err")" "$PGTIDE_CONFIG:5"
check 'its output is seen' contains "$(cat "$T/err")" 'no: before-run'
check 'no step ran' same "$(rows)" ''
check 'after-run knows' contains "$(hooks)" 'after-run upgrade [] [] before_run/ [failed]'
rm "$LOG.fail-before-run-run"

# --- before-revision fails: the step is not begun, those before it stay
database one before
touch "$LOG.fail-before-002_wait"
expect_exit 1 pgtide upgrade
check 'says where it stands' contains "$(cat "$T/err")" '1 of 3 steps done; the shard stands at 001_first'
check 'stands there' same "$(rows)" 001_first
check 'after-run knows' contains "$(hooks)" 'after-run upgrade [] [001_first] before/ [failed]'
rm "$LOG.fail-before-002_wait"

# --- after-revision fails: the step stays, the next is not begun
database one after
touch "$LOG.fail-after-002_wait"
expect_exit 1 pgtide upgrade
check 'the step counts' contains "$(cat "$T/err")" '2 of 3 steps done; the shard stands at 002_wait'
check 'and stays' same "$(rows)" 002_wait
rm "$LOG.fail-after-002_wait" "$LOG"

# --- a failing step: after-run runs, and its own failure does not hide the step's
revision 003_last 002_wait 'SELECT 1/0;' 'SELECT 1;'
database one failing
touch "$LOG.fail-after-run-run"
expect_exit 1 pgtide upgrade
check 'the step is the error' contains "$(cat "$T/err")" 'pgtide: error: division by zero'
check 'the hook a note' contains "$(cat "$T/err")" 'note: the after-run hook: ./hook ended with exit status 3'
check 'those behind it are left out' same "$(seen)" 'before-run,after 001_first,after 002_wait'

# --- after-run fails behind a success: done, exit status 1, with the result
revision 003_last 002_wait 'CREATE TABLE third (id int);' 'DROP TABLE third;'
expect_exit 1 pgtide upgrade --json
check 'the result is there' contains "$(cat "$T/out")" '"rows":["003_last"]'
check 'with a note' contains "$(cat "$T/err")" 'note: the after-run hook'
rm "$LOG".*

# --- statements that fail, a program that is not there, one that is killed
config() { printf 'versions: versions\nhooks:\n  before-run:\n    - %s\n' "$1" >"$PGTIDE_CONFIG"; }
config 'sql: SELECT 1/0'
expect_exit 1 pgtide downgrade base
check 'SQLSTATE and place' contains "$(tr -d '\n' <"$T/err")" "division by zero  at: $PGTIDE_CONFIG:4"
config 'command: [./no-such-program]'
expect_exit 1 pgtide downgrade base
check 'says that it is not there' contains "$(cat "$T/err")" 'can'\''t start ./no-such-program: no such file'
# shellcheck disable=SC2016 # the hook's own shell
config 'command: [sh, -c, "kill -9 $$"]'
expect_exit 1 pgtide downgrade base
check 'says by which signal' contains "$(cat "$T/err")" 'ended by signal 9'
check 'nothing moved' same "$(rows)" 003_last
config 'sql: COMMIT'
expect_exit 2 pgtide downgrade base
check 'refused before anything' contains "$(cat "$T/err")" 'COMMIT'
config 'command: [sh, -c, "echo out; echo err >&2"]'
expect_exit 0 pgtide downgrade base --json
check 'what a program prints is no part of the result' same "$(head -c 10 "$T/out")" '{"pgtide":'
check 'but is seen' same "$(cat "$T/err")" 'out
err'

# --- Ctrl-C while a program runs: it is ended, nothing is begun, after-run is told
cat >"$PGTIDE_CONFIG" <<'YAML'
hooks:
  before-run: [{command: [sh, -c, "echo $$ >$LOG.pid; exec sleep 1000"]}]
  after-run: [{command: [sh, -c, "echo $PGTIDE_OUTCOME >$LOG"]}]
YAML
"$BIN/pgtide" upgrade >"$T/step.out" 2>"$T/step.err" &
pid=$!
PIDS+=("$pid")
wait_for 10 'the program to run' test -s "$LOG.pid"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
check 'ended by the signal' same "$status" 130
check 'the program is gone' sh -c "! kill -0 $(cat "$LOG.pid") 2>/dev/null"
check 'nothing was begun' same "$(rows)" ''
check 'after-run knows' same "$(cat "$LOG")" interrupted

# --- a hook that does not end is ended, with all that it started, and is a failure like any other
is_gone() { ! kill -0 "$(cat "$1")" 2>/dev/null; }
rm -f "$LOG" "$LOG".*
database one late
late() { printf 'hook-timeout: 300ms\nhooks:\n  %s:\n    - %s\n' "$1" "$2" >"$PGTIDE_CONFIG"; }
# shellcheck disable=SC2016 # the hook's own shell
late before-run 'command: [sh, -c, "sleep 1000 & echo $! >$LOG.one; (trap \"\" TERM; echo >$LOG.two; exec sleep 1000) & echo $! >$LOG.two; wait"]'
expect_exit 1 pgtide upgrade
check 'says which and when' contains "$(cat "$T/err")" 'the before-run hook: sh was not done in 300ms'
check 'and its place' contains "$(cat "$T/err")" "$PGTIDE_CONFIG:4"
wait_for 10 'what it started to be gone' is_gone "$LOG.one"
wait_for 10 'what did not listen too' is_gone "$LOG.two"
check 'nothing was begun' same "$(rows)" ''
# shellcheck disable=SC2016 # the hook's own shell
late after-revision 'command: [sh, -c, "trap \"\" TERM; echo $$ >$LOG.pid; while :; do sleep 0.1; done"]'
expect_exit 1 pgtide upgrade
check 'one that does not listen' contains "$(cat "$T/err")" 'the after-revision hook: sh was not done in 300ms'
check 'is gone' is_gone "$LOG.pid"
check 'its step stays, and that is said' contains "$(cat "$T/err")" '1 of 3 steps done; the shard stands at 001_first'
check 'it does' same "$(rows)" 001_first
late before-revision 'sql: CREATE TABLE made (); SELECT pg_sleep(1000)'
expect_exit 1 pgtide upgrade
check 'statements' contains "$(cat "$T/err")" 'the before-revision hook: its SQL was not done in 300ms'
check 'nothing of them stays' same "$(rows)|$(sql "SELECT to_regclass('made')")" '001_first|'
late after-run 'sql: SELECT pg_sleep(1000)'
expect_exit 1 pgtide upgrade
check 'after the run: a note' contains "$(cat "$T/err")" 'note: the after-run hook: its SQL was not done in 300ms'
check 'the result stays' same "$(rows)" 003_last
