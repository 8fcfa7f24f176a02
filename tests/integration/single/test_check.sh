#!/usr/bin/env bash
# Whether the revisions lead to the project's model, which is SQL in files, a database, a dump, or what a command prints.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin check
export PGOPTIONS='-c client_min_messages=error'
cluster_start one fsync=off
database one target
PROJECT=$T/project
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
mkdir -p "$PROJECT/versions" "$PROJECT/model" "$PROJECT/safe"
printf 'versions: versions\nsafe: safe\nmodel: model\n' >"$PGTIDE_CONFIG"
revision 001_users '' "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE users (id int PRIMARY KEY, mood mood);" 'DROP TABLE users; DROP TYPE mood;'
printf -- '-- repeatable: names\n-- message: names\n\n-- +upgrade\nCREATE OR REPLACE VIEW ids AS SELECT id FROM users;\n' >"$PROJECT/versions/R_names.sql"
echo 'CREATE INDEX IF NOT EXISTS users_mood ON users (mood);' >"$PROJECT/safe/index.sql"
cat >"$PROJECT/model/1.sql" <<'END'
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE users (mood mood, id int PRIMARY KEY);
END
echo 'CREATE INDEX users_mood ON users (mood); CREATE VIEW ids AS SELECT id FROM users;' >"$PROJECT/model/2.sql"

expect_exit 0 pgtide check
check 'they lead there' contains "$(cat "$T/out")" 'the revisions lead to the model'
sql "$(cat "$PROJECT"/model/*.sql)"
pgtide schema dump --json >"$PROJECT/dump.json"

# --- the model goes on
echo "ALTER TABLE users ADD COLUMN bio text; COMMENT ON TABLE users IS 'people';" >"$PROJECT/model/3.sql"
expect_exit 3 pgtide check
check 'the column is missing' contains "$(cat "$T/out")" 'ALTER TABLE public.users ADD COLUMN bio text;'
expect_exit 3 pgtide check --json
check 'JSON' /usr/bin/python3 -c '
import json, sys
result = json.load(open(sys.argv[1]))["result"]
assert result["different"] and [o["kind"] for o in result["operations"]] == ["table", "column"], result' "$T/out"
revision 002_bio 001_users "ALTER TABLE users ADD COLUMN bio text; COMMENT ON TABLE users IS 'people';" "ALTER TABLE users DROP COLUMN bio; COMMENT ON TABLE users IS NULL;"
expect_exit 0 pgtide check

# --- models of other kinds
model() { printf 'versions: versions\nsafe: safe\n%s\n' "$1" >"$PGTIDE_CONFIG"; }
model 'model: dump.json'
expect_exit 3 pgtide check
check 'a dump' contains "$(cat "$T/out")" 'drop column public.users.bio (rows are lost)'
sql "ALTER TABLE users ADD COLUMN bio text; COMMENT ON TABLE users IS 'people';"
model "model: $PGTIDE_URL"
expect_exit 0 pgtide check
model "model-command: [cat, $PROJECT/model/1.sql, $PROJECT/model/2.sql, $PROJECT/model/3.sql]"
expect_exit 0 pgtide check
check 'the database is as it was' same "$(sql "SELECT to_regclass('alembic_version')")" ''

# --- refused
model 'model-command: [false]'
expect_exit 1 pgtide check
model 'model-command: [echo, CREATE TABEL x]'
expect_exit 1 pgtide check
check 'with the place' contains "$(cat "$T/err")" 'the output of model-command:1'
model 'model: nowhere.sql'
expect_exit 2 pgtide check
model 'model: model
model-command: [cat]'
expect_exit 2 pgtide check

# --- a program that ignores Ctrl-C: the second one ends it, with what it started
cat >"$PROJECT/stubborn" <<'SH'
trap 'echo >"$0.heard"' INT TERM
sh -c 'trap "" TERM; echo $$ >"$0.pid"; while :; do sleep 1000; done' "$0" &
while :; do wait; done
SH
model 'model-command: [sh, ./stubborn]'
env --default-signal=INT "$BIN/pgtide" check >"$T/out" 2>"$T/err" &
pid=$!
PIDS+=("$pid")
wait_for 20 'the program to run' test -s "$PROJECT/stubborn.pid"
kill -INT "$pid"
wait_for 20 'it to hear of it' test -e "$PROJECT/stubborn.heard"
kill -INT "$pid"
status=0
wait "$pid" || status=$?
check 'interrupted' same "$status" 130
started_is_gone() { ! kill -0 "$(cat "$PROJECT/stubborn.pid")" 2>/dev/null; }
wait_for 20 'what it started to be gone' started_is_gone
model ''
expect_exit 2 pgtide check
check 'without a model' contains "$(cat "$T/err")" 'no model'
check 'no scratch database is left' same "$(sql "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide%'")" 0
