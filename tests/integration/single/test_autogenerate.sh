#!/usr/bin/env bash
# Revisions that pgtide writes itself, from the difference between what the revisions build and the model: they run up and
# down, what they can't say is said, and no file comes of what fails.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin autogenerate
export PGOPTIONS='-c client_min_messages=error'
cluster_start one fsync=off
database one target
PROJECT=$T/project
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
mkdir -p "$PROJECT/versions"
printf 'versions: versions\nmodel: model.sql\n' >"$PGTIDE_CONFIG"
files() { (cd "$PROJECT/versions" && echo *.sql); }
file() { cat "$PROJECT"/versions/$1; } # a pattern

# --- from nothing, and nothing to do
cat >"$PROJECT/model.sql" <<'END'
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE FUNCTION next_code() RETURNS text LANGUAGE plpgsql AS $$BEGIN RETURN 'c' || (SELECT count(*) FROM codes); END$$;
CREATE TABLE codes (code text DEFAULT next_code(), id serial PRIMARY KEY, twice int GENERATED ALWAYS AS (length('ab')) STORED);
CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, mood mood DEFAULT 'ok', boss int);
CREATE TABLE rooms (id int PRIMARY KEY, owner int REFERENCES users);
ALTER TABLE users ADD room int REFERENCES rooms, ADD FOREIGN KEY (boss) REFERENCES users;
COMMENT ON TABLE users IS 'people; and more';
CREATE TABLE log (at date, text text) PARTITION BY RANGE (at);
CREATE TABLE log_2026 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE INDEX log_at ON log (at);
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON users USING (name = current_user);
CREATE VIEW names AS SELECT id, name FROM users;
END
expect_exit 0 pgtide revision --autogenerate -m 'the beginning'
check 'it tells what it found' contains "$(cat "$T/out")" 'create table public.users'
check 'one file' same "$(files)" 001_the_beginning.sql
check 'bodies of functions are not looked at' contains "$(file 001_the_beginning.sql)" 'SET LOCAL check_function_bodies = off;'
expect_exit 0 pgtide check
expect_exit 0 pgtide revision --autogenerate -m again
check 'nothing to do' contains "$(cat "$T/out")" 'nothing to do: the revisions lead to the model'
check 'and no file' same "$(files)" 001_the_beginning.sql
expect_exit 0 pgtide upgrade
expect_exit 0 pgtide schema diff "$PGTIDE_URL" "$PROJECT/model.sql"
expect_exit 0 pgtide downgrade base
echo "SELECT 1;" >"$T/empty.sql"; expect_exit 0 pgtide schema diff "$PGTIDE_URL" "$T/empty.sql"

# --- labels of enums come first; a rename; a type under a view; what is dropped
cat >"$PROJECT/change.sql" <<'END'
ALTER TYPE mood ADD VALUE 'great';
ALTER TABLE users ALTER mood SET DEFAULT 'great';
ALTER TABLE users RENAME name TO full_name;
ALTER TABLE rooms ALTER id TYPE bigint;
ALTER TABLE codes DROP twice, DROP code;
CREATE INDEX users_boss ON users (boss);
ALTER TABLE users ADD CONSTRAINT boss_is_other CHECK (boss <> id);
ALTER TABLE users ALTER boss SET NOT NULL;
END
cp "$PROJECT/model.sql" "$PROJECT/first.sql"
cat "$PROJECT/change.sql" >>"$PROJECT/model.sql"
expect_exit 2 pgtide revision --autogenerate -m change --rename public.users.nothing=x
check 'a rename of what is not there makes no file' same "$(files)" 001_the_beginning.sql
expect_exit 0 pgtide revision --autogenerate -m change --rename public.users.name=full_name
check 'two files' same "$(files)" '001_the_beginning.sql 002_change_labels.sql 003_change.sql'
check 'labels have no way back' contains "$(file 002_change_labels.sql)" '-- irreversible: PostgreSQL can'
check 'which is said' contains "$(cat "$T/err")" 'no way back from 002_change_labels'
check 'the rest follows them' contains "$(file 003_change.sql)" '-- revises: 002_change_labels'
check 'a column that goes has a word beside it' contains "$(file 003_change.sql)" '-- rows are lost: drop column public.codes.code'
check 'the name is changed' contains "$(file 003_change.sql)" 'RENAME COLUMN name TO full_name'
expect_exit 0 pgtide upgrade
expect_exit 0 pgtide schema diff "$PGTIDE_URL" "$PROJECT/model.sql"
expect_exit 0 pgtide downgrade -- -1
expect_exit 0 pgtide upgrade

# --- the same change in safe forms
expect_exit 0 pgtide downgrade 002
rm "$PROJECT"/versions/003*
expect_exit 0 pgtide revision --autogenerate -m change --rename public.users.name=full_name --safe-forms --rev-id safe
check 'what takes something away is a phase of its own' same "$(files)" \
    '001_the_beginning.sql 002_change_labels.sql safe_change.sql safe_contract_contract_change.sql'
check 'transaction: none' contains "$(file safe_change.sql)" '-- transaction: none'
check 'an index that holds nobody up' contains "$(file safe_change.sql)" 'CREATE INDEX CONCURRENTLY users_boss'
check 'a check that holds nobody up' contains "$(file safe_change.sql)" 'ADD CONSTRAINT boss_is_other CHECK ((boss <> id)) NOT VALID'
check 'NOT NULL' contains "$(file safe_change.sql)" 'CHECK (boss IS NOT NULL) NOT VALID'
check 'the column goes in the end' contains "$(file safe_contract_contract_change.sql)" '-- rows are lost: drop column public.codes.code'
check 'what stays as it is is said' contains "$(cat "$T/err")" 'RENAME COLUMN, of public.users.name: left as it is'
expect_exit 0 pgtide upgrade
expect_exit 0 pgtide schema diff "$PGTIDE_URL" "$PROJECT/model.sql"
expect_exit 0 pgtide downgrade 002
expect_exit 3 pgtide revision --autogenerate -m more --model "$PROJECT/first.sql" --json
check 'another model, and JSON' /usr/bin/python3 -c '
import json, sys
result = json.load(open(sys.argv[1]))["result"]
assert result["cannot"] == 1 and result["files"][0]["revises"] == ["safe_contract"], result["files"]
assert result["upgrade"] and result["downgrade"]' "$T/out"

# --- what no SQL leads to, up or back
check 'what can not be said stands in the file' contains "$(file 00*_more.sql)" '-- NOT DONE: type public.mood: labels of an enum'

fresh() { # NAME CONFIG...: another project
    PROJECT=$T/$1
    export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
    mkdir -p "$PROJECT/versions"
    printf '%s\n' 'versions: versions' 'model: model.sql' "${@:2}" >"$PGTIDE_CONFIG"
}
fresh back 'naming: hash'
revision 001 '' "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (u 'me');" \
    'DROP FOREIGN DATA WRAPPER w CASCADE;'
echo 'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;' >"$PROJECT/model.sql"
expect_exit 0 pgtide revision --autogenerate -m unmap
check 'no way back at all' contains "$(file '*_unmap.sql')" '-- irreversible: user mapping'
check 'is said' contains "$(cat "$T/err")" 'the way back leaves something out: user mapping'
echo 'CREATE FOREIGN DATA WRAPPER w;' >"$PROJECT/model.sql"
expect_exit 0 pgtide revision --autogenerate -m unserve
expect_exit 0 pgtide test

# --- heads: all of them are built; what stands on another head says so
fresh heads
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY);' 'DROP TABLE a;'
revision 001_b '' 'CREATE TABLE b (id int PRIMARY KEY);' 'DROP TABLE b;'
echo 'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);' >"$PROJECT/model.sql"
expect_exit 2 pgtide revision --autogenerate -m more
check 'several heads' contains "$(cat "$T/err")" 'there are 2 heads'
expect_exit 1 pgtide revision --autogenerate -m more --head 001_b
check 'it fails on a new database' contains "$(cat "$T/err")" 'on a new database it fails: relation "public.a" does not exist'
check 'no file' same "$(files)" '001_a.sql 001_b.sql'
expect_exit 0 pgtide revision --autogenerate -m more --head 001_b --depends-on 001_a --branch-label b
check 'the header' contains "$(file 002_more.sql)" '-- depends-on: 001_a'

# --- a safe form's way back says what it loses
fresh lossy
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY, old int, at date);' 'DROP TABLE a;'
echo 'CREATE TABLE a (id int PRIMARY KEY, n int, at timestamp); CREATE INDEX a_n ON a (n);' >"$PROJECT/model.sql"
expect_exit 0 pgtide revision --autogenerate -m more --safe-forms --rev-id more
down=$(sed -n '/^-- +downgrade/,$p' "$PROJECT"/versions/more*.sql)
check 'a column that goes' contains "$down" '-- rows are lost: drop column public.a.n'
check 'a column that is cut' contains "$down" '-- values may be lost: alter column public.a.at'
expect_exit 0 pgtide test

# --- a long name is cut between characters
fresh long
long=$(printf 'ä%.0s' {1..31})
revision 001 '' "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER x$long FOREIGN DATA WRAPPER w; CREATE ROLE \"${long}\"; CREATE USER MAPPING FOR \"$long\" SERVER x$long OPTIONS (u 'me');" \
    'DROP FOREIGN DATA WRAPPER w CASCADE;'
echo "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER x$long FOREIGN DATA WRAPPER w;" >"$PROJECT/model.sql"
expect_exit 0 pgtide revision --autogenerate -m unmap
check 'its reason is text' iconv -f UTF-8 -t UTF-8 "$PROJECT"/versions/002_unmap.sql -o "$T/text"
check 'and says what it is of' contains "$(cat "$T/text")" '-- irreversible: user mapping'

# --- repeatables and safe statements are a part of what is built
fresh repeat
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY, n int);' 'DROP TABLE a;'
printf -- '-- repeatable: v\n-- message: v\n\n-- +upgrade\nCREATE OR REPLACE VIEW v AS SELECT n FROM a;\n' >"$PROJECT/versions/R_v.sql"
echo 'CREATE TABLE a (id int PRIMARY KEY, n bigint); CREATE VIEW v AS SELECT n FROM a;' >"$PROJECT/model.sql"
expect_exit 1 pgtide revision --autogenerate -m more
check 'a view that is not there yet on a new database' contains "$(cat "$T/err")" 'on a new database it fails: view "v" does not exist'
check 'no file' same "$(files)" '001_a.sql R_v.sql'
echo 'CREATE TABLE a (id int PRIMARY KEY, n int, o int); CREATE VIEW v AS SELECT n FROM a;' >"$PROJECT/model.sql"
expect_exit 0 pgtide revision --autogenerate -m more
check 'only the column' same "$(grep -c ';$' "$PROJECT/versions/002_more.sql")" 2

# --- shards that are schemas
fresh schemas
revision 001_a '' 'CREATE TABLE a (id int PRIMARY KEY);' 'DROP TABLE a;'
echo 'CREATE TABLE a (id int PRIMARY KEY, n int); CREATE INDEX a_n ON a (n);' >"$PROJECT/model.sql"
expect_exit 0 pgtide revision --autogenerate -m more --schema tenant
check 'names are not qualified' contains "$(file 002_more.sql)" 'ALTER TABLE a ADD COLUMN n integer;'
sql 'CREATE SCHEMA tenant'
expect_exit 0 pgtide upgrade --schema tenant
expect_exit 0 pgtide schema diff --schema tenant "$PGTIDE_URL" "$PROJECT/model.sql"

echo 'CREATE TABLE a (id int PRIMARY KEY, n int NOT NULL);' >"$PROJECT/model.sql"
rm "$PROJECT"/versions/002*
expect_exit 0 pgtide revision --autogenerate -m strict
check 'what rows would refuse is said' contains "$(cat "$T/err")" 'fails where there are rows: public.a.n is NOT NULL without a default'
check 'and stands in the file' contains "$(file 002_strict.sql)" '-- Fails where there are rows: public.a.n'

# --- refused, and nothing written
expect_exit 2 pgtide revision -m more --rename a=b
check 'options of --autogenerate' contains "$(cat "$T/err")" '--rename goes with --autogenerate'
for option in "--url $PGTIDE_URL" '--schema tenant' '--shared-schema public'; do
    expect_exit 2 pgtide revision -m more $option
    check "$option alone" contains "$(cat "$T/err")" "${option%% *} goes with --autogenerate or --safe"
done
expect_exit 2 pgtide revision --autogenerate --safe 002_strict
expect_exit 2 pgtide revision --autogenerate -m more --model "$T/nowhere.sql"
echo 'CREATE TABLE a (id int PRIMARY KEY, n nothing);' >"$PROJECT/model.sql"
expect_exit 1 pgtide revision --autogenerate -m more
check 'a model that does not run' contains "$(cat "$T/err")" 'model.sql:1'
check 'no file came of these' same "$(files)" '001_a.sql 002_strict.sql'

# --- Ctrl-C: no file, and no scratch database
echo 'CREATE TABLE a (id int PRIMARY KEY); SELECT pg_sleep(600);' >"$PROJECT/model.sql"
env --default-signal=INT "$BIN/pgtide" revision --autogenerate -m more >"$T/out" 2>"$T/err" &
pid=$!
PIDS+=("$pid")
sleeps() { [ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")" = 1 ]; }
wait_for 20 'the model to be run' sleeps
kill -INT "$pid"
status=0
wait "$pid" || status=$?
check 'interrupted' same "$status" 130
check 'no file' same "$(files)" '001_a.sql 002_strict.sql'
check 'no scratch database is left' same "$(sql "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide%'")" 0
