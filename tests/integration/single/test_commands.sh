#!/usr/bin/env bash
# One database from empty to head and back, and every way the commands say no.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin commands
cluster_start one

# --- the example project, up and down
export PGTIDE_CONFIG=$ROOT/migrations/example/pgtide.yaml
database one example
expect_exit 0 pgtide current
check 'nothing is written by current' same "$(sql "SELECT count(*) FROM pg_namespace WHERE nspname = 'pgtide'")" 0
for wrong in 'upgrade nosuch' 'upgrade +9' 'downgrade -1' 'stamp nosuch'; do
    # shellcheck disable=SC2086
    expect_exit 2 pgtide $wrong
    check "'$wrong' wrote nothing" same "$(sql "SELECT count(*) FROM pg_class WHERE relname = 'alembic_version'")" 0
done
expect_exit 2 pgtide downgrade -1
check 'there is nothing to take back at base' contains "$(cat "$T/err")" 'The shard is at base'
expect_exit 0 pgtide upgrade
head=$(rows)
check 'current says head' contains "$("$BIN/pgtide" current)" "$head (head)"
expect_exit 0 pgtide upgrade
check 'a second upgrade does nothing' contains "$(cat "$T/out")" 'nothing to do'
expect_exit 0 pgtide downgrade base
check 'base has no rows' same "$(rows)" ''
check 'base has no tables of the project' same "$(sql "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'")" 0
expect_exit 0 pgtide upgrade --json
check 'the JSON result has the rows' contains "$(cat "$T/out")" "\"rows\":[\"$head\"]"
check 'every step succeeded once a direction' same "$(sql "SELECT count(*) FROM pgtide.history WHERE outcome <> 'succeeded'")" 0

# --- ensure-version, stamp
project small
database one small
expect_exit 0 pgtide ensure-version
check 'wide version table' same "$(sql "SELECT atttypmod - 4 FROM pg_attribute WHERE attrelid = 'alembic_version'::regclass AND attname = 'version_num'")" 255
expect_exit 0 pgtide stamp 002_wait
check 'stamped' same "$(rows)" 002_wait
check 'nothing ran' same "$(sql "SELECT count(*) FROM pg_tables WHERE tablename IN ('first', 'second')")" 0
expect_exit 0 pgtide stamp base
check 'recorded as stamps' same "$(history)" "stamp||succeeded
stamp||succeeded"

# --- a statement that fails: its line, nothing changed, recorded
project failing
revision 002_wait 001_first 'CREATE TABLE second (id int);

ALTER TABLE second
    ADD COLUMN x nonsense;' 'DROP TABLE second;'
database one failing
expect_exit 1 pgtide upgrade
line=$(grep -n nonsense "$PROJECT/versions/002_wait.sql" | cut -d: -f1)
check 'the line of the error' contains "$(cat "$T/err")" "002_wait.sql:$line"
check 'stands at the step before' same "$(rows)" 001_first
check 'rolled back' same "$(sql "SELECT to_regclass('second')")" ''
check 'recorded' same "$(history)" "upgrade|001_first|succeeded
upgrade|002_wait|failed"

# --- +verify
revision 002_wait 001_first 'CREATE TABLE second (id int);' 'DROP TABLE second;' 'SELECT count(*) > 0 FROM second;'
expect_exit 1 pgtide upgrade
check 'verify refuses' contains "$(cat "$T/err")" '+verify'
check 'rolled back by verify' same "$(sql "SELECT to_regclass('second')")" ''
revision 002_wait 001_first 'CREATE TABLE second (id int);' 'DROP TABLE second;' 'INSERT INTO second VALUES (1);
SELECT count(*) > 0 FROM second;'
expect_exit 0 pgtide upgrade
check 'what verify wrote is gone' same "$(sql 'SELECT count(*) FROM second')" 0

# --- transaction control and statements that need no transaction are refused before anything runs
project control
revision 003_last 002_wait 'CREATE TABLE third (id int);
COMMIT;' 'DROP TABLE third;'
database one control
expect_exit 2 pgtide upgrade
check 'nothing ran' same "$(rows)" ''
revision 003_last 002_wait 'CREATE INDEX CONCURRENTLY third ON second (id);' 'DROP INDEX third;'
expect_exit 2 pgtide upgrade
check 'nothing ran before the index' same "$(rows)" ''

# --- a procedure that commits inside a step
project procedure
revision 002_wait 001_first 'CREATE PROCEDURE sneak() LANGUAGE plpgsql AS $$ BEGIN CREATE TABLE sneaked (id int); COMMIT; END $$;
CALL sneak();' 'DROP PROCEDURE sneak;'
database one procedure
expect_exit 1 pgtide upgrade 002_wait
check 'the procedure could not commit' same "$(sql "SELECT to_regclass('sneaked')")" ''

# --- settings of an author reach neither our SQL nor the next step
project settings
revision 001_first '' "SELECT set_config('search_path', '', false); CREATE TABLE public.first (id int);
CREATE ROLE nobody_$$; SET ROLE nobody_$$;" 'DROP TABLE first;'
revision 002_wait 001_first 'CREATE TABLE second (id int);' 'DROP TABLE second;'
database one settings
expect_exit 0 pgtide upgrade 002_wait
check 'the second step ran with the usual path and role' same "$(sql "SELECT schemaname, tableowner FROM pg_tables WHERE tablename = 'second'")" 'public|postgres'

# --- what rewrites the version row is caught: at once, and deferred to COMMIT
project rewriting
revision 002_wait 001_first "UPDATE alembic_version SET version_num = 'elsewhere';" 'SELECT 1;'
database one rewriting
expect_exit 1 pgtide upgrade 002_wait
check 'unchanged' same "$(rows)" 001_first
revision 002_wait 001_first "CREATE FUNCTION rewrite() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN UPDATE alembic_version SET version_num = 'elsewhere'; RETURN NULL; END \$\$;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON first DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION rewrite();
INSERT INTO first VALUES (1);" 'SELECT 1;'
expect_exit 1 pgtide upgrade 002_wait
check 'unchanged by the deferred trigger' same "$(rows)" 001_first
check 'the trigger is gone with its step' same "$(sql "SELECT count(*) FROM pg_trigger WHERE tgname = 'later'")" 0

# --- a narrow version table is widened, with a word
project narrow
revision 002_a_name_that_does_not_fit_into_thirty_two 001_first 'SELECT 1;' 'SELECT 1;'
rm "$PROJECT/versions/002_wait.sql" "$PROJECT/versions/003_last.sql"
database one narrow
sql 'CREATE TABLE alembic_version (version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))'
expect_exit 0 pgtide upgrade
check 'says how wide it was' contains "$(cat "$T/err")" 'ids of 32 characters'
check 'and widens it' same "$(rows)" 002_a_name_that_does_not_fit_into_thirty_two

# --- lock timeout: safe to retry, nothing changed
project locked
revision 002_wait 001_first 'ALTER TABLE first ADD COLUMN x int;' 'ALTER TABLE first DROP COLUMN x;'
database one locked
expect_exit 0 pgtide upgrade 001_first
mkfifo "$T/busy"
cluster_psql one locked <"$T/busy" >/dev/null &
PIDS+=("$!")
exec 8>"$T/busy"
echo 'BEGIN; LOCK TABLE first IN ACCESS SHARE MODE;' >&8
wait_for 10 'the table to be locked' sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd locked -c \"SELECT count(*) FROM pg_locks WHERE relation = 'first'::regclass\") = 1 ]"
expect_exit 6 pgtide upgrade 002_wait --lock-timeout 200ms
check 'unchanged after the timeout' same "$(rows)" 001_first
echo '\q' >&8
exec 8>&-
wait_for 10 'the lock to go' sh -c "[ \$(PGHOST=$T/one/socket PGUSER=postgres $PG_BIN/psql -XAtqd locked -c \"SELECT count(*) FROM pg_locks WHERE relation = 'first'::regclass\") = 0 ]"
expect_exit 0 pgtide upgrade 002_wait

# --- a shard of a fleet
sql "UPDATE pgtide.shard SET fleet_id = '11111111-2222-4333-8444-555555555555', epoch = 7"
expect_exit 5 pgtide downgrade 001_first
check 'says who manages it' contains "$(cat "$T/err")" '11111111-2222-4333-8444-555555555555'
fence=$(sql 'SELECT fence FROM pgtide.shard')
expect_exit 0 pgtide downgrade 001_first --unmanaged 'the fleet is down'
check 'the fence rose, fleet and epoch stay' same "$(sql "SELECT fence - $fence, epoch, fleet_id FROM pgtide.shard")" '1|7|11111111-2222-4333-8444-555555555555'
check 'the reason is recorded' same "$(sql "SELECT message FROM pgtide.history WHERE message LIKE 'unmanaged%'")" 'unmanaged: the fleet is down'

# --- a clone is not the shard
cluster_psql one postgres -c 'CREATE DATABASE cloned TEMPLATE small'
PGTIDE_URL=$(cluster_url one cloned) expect_exit 5 pgtide upgrade

# --- connections that can't be had
expect_exit 6 pgtide current --url "$(cluster_url one no_such_database)"
check 'names the database' contains "$(cat "$T/err")" 'no_such_database'
expect_exit 6 pgtide current --url "postgresql://postgres@/x?host=$T/nowhere"
expect_exit 6 pgtide current --url 'postgresql://postgres@127.0.0.1:1/x'
expect_exit 2 pgtide current --url 'postgresql://postgres:s3cret@[/x'
check 'no password in the message' same "$(grep -c s3cret "$T/err" || true)" 0
expect_exit 2 pgtide current --schema no_such_schema --url "$(cluster_url one small)"
expect_exit 2 pgtide current --url ''
check 'an empty url is not the default database' contains "$(cat "$T/err")" '--url is empty'
expect_exit 2 pgtide current --url 'postgresql+asyncpg://forge:s3cret@localhost/forge'
check "SQLAlchemy's form is known" contains "$(cat "$T/err")" 'leave out the +DRIVER'
check 'and hidden' same "$(grep -c s3cret "$T/err" || true)" 0

# --- as Alembic's users type it: options in front, the command's own too
project fronted
revision 002_wait 001_first 'CREATE TABLE second (id int);' 'DROP TABLE second;'
sed -i '1a-- placeholders: size' "$PROJECT/versions/001_first.sql"
database one fronted
expect_exit 0 pgtide -x size=1 -q upgrade head
expect_exit 2 pgtide upgrade -1
check 'the other direction is named' contains "$(cat "$T/err")" 'goes back'
expect_exit 0 pgtide -u "$PGTIDE_URL" -v current
check 'the option in front counted' contains "$(cat "$T/out")" 'upgrade base -> 001_first'

# --- what the history says of a failure, and of a database that can't be written
revision 004_wrong 003_last 'CREATE TABLE fourth (id nonsense);' 'DROP TABLE fourth;'
expect_exit 1 pgtide upgrade
check 'which revision failed, and where it stands' contains "$("$BIN/pgtide" current -v)" 'failed upgrade 004_wrong at 003_last by'
sql "ALTER DATABASE fronted SET default_transaction_read_only = on"
expect_exit 1 pgtide downgrade -1
check 'what to do about a standby' contains "$(cat "$T/err")" 'Connect to the primary'
expect_exit 0 pgtide current

# --- a reader that has seen enough
mkfifo "$T/read"
exec 7<>"$T/read" 8>"$T/read" 7<&-
check 'is no failure' same "$("$BIN/pgtide" current -v 2>&1 >&8 && echo done)" 'done'
exec 8>&-
check 'a full disk is one' same "$("$BIN/pgtide" current >/dev/full 2>/dev/null || echo $?)" 1
