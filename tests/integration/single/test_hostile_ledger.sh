#!/usr/bin/env bash
# The database belongs to a tenant who prepared what pgtide would find: pgtide, which may do more than the tenant,
# must neither run the tenant's code nor believe the tenant's tables.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin hostile-ledger
cluster_start one
project small
revision 002_wait 001_first 'SELECT 1;' 'SELECT 1;'
cluster_psql one postgres -c 'CREATE ROLE tenant LOGIN' -c 'CREATE ROLE operator LOGIN IN ROLE tenant'

n=0
prepare() { # a database of the tenant's with these statements run by the tenant
    n=$((n + 1))
    cluster_psql one postgres -c "CREATE DATABASE h$n OWNER tenant"
    CLUSTER=one DATABASE=h$n
    PGHOST="$T/one/socket" PGUSER=tenant "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "h$n" -c "$1"
    for user in postgres operator; do
        export PGTIDE_URL="postgresql://$user@/h$n?host=$T/one/socket"
        expect_exit 5 pgtide upgrade
        check "$user refuses: $2" contains "$(cat "$T/err")" "$2"
        expect_exit 0 pgtide current
    done
    check 'the trap did not run' same "$(sql "SELECT count(*) FROM pg_roles WHERE rolname = 'tenant' AND rolsuper")" 0
}

trap="CREATE FUNCTION public.trap() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN ALTER ROLE tenant SUPERUSER; RETURN 'x'; END \$\$;"
trigger="CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN ALTER ROLE tenant SUPERUSER; RETURN NEW; END \$\$;"
version='CREATE TABLE public.alembic_version (version_num varchar(255) PRIMARY KEY);'

prepare 'CREATE SCHEMA pgtide;' 'schema pgtide belongs to another role'
prepare "$trap CREATE SCHEMA pgtide; CREATE VIEW pgtide.shard AS SELECT public.trap() AS schema_name;" 'belongs to another role'
prepare "$trigger $version CREATE TRIGGER t BEFORE INSERT ON alembic_version FOR EACH ROW EXECUTE FUNCTION fire();" 'has triggers'
prepare "$trap $version CREATE RULE r AS ON INSERT TO alembic_version DO ALSO SELECT trap();" 'has rules'
prepare "$version ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY;" 'has row security'
prepare "$trap CREATE TABLE alembic_version (version_num varchar(255) CHECK (trap() = 'x'));" 'of its own'
prepare "$trap CREATE TABLE alembic_version (version_num varchar(255), note text DEFAULT trap());" 'of its own'
prepare "$trap CREATE VIEW alembic_version AS SELECT trap()::varchar(255) AS version_num;" 'not an ordinary table'
prepare "$version CREATE TABLE child () INHERITS (alembic_version);" 'inheritance'

# --- the search path is the tenant's too: functions and operators of the same names are not met
n=$((n + 1))
cluster_psql one postgres -c "CREATE DATABASE h$n OWNER tenant"
PGHOST="$T/one/socket" PGUSER=tenant "$PG_BIN/psql" -X -q -v ON_ERROR_STOP=1 -d "h$n" -c "
    CREATE SCHEMA evil;
    CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS \$\$ BEGIN ALTER ROLE tenant SUPERUSER; RETURN NULL; END \$\$;
    CREATE FUNCTION evil.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN ALTER ROLE tenant SUPERUSER; RETURN ''; END \$\$;
    CREATE FUNCTION evil.eq(name, name) RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN ALTER ROLE tenant SUPERUSER; RETURN true; END \$\$;
    CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.eq);
    ALTER DATABASE h$n SET search_path = evil, pg_catalog, public;"
CLUSTER=one DATABASE=h$n
export PGTIDE_URL="postgresql://postgres@/h$n?host=$T/one/socket"
expect_exit 0 pgtide ensure-version
check 'nothing of the tenant ran' same "$(cluster_psql one postgres -c "SELECT rolsuper FROM pg_roles WHERE rolname = 'tenant'")" f

# --- the tenant's own version table becomes a view behind the step that holds it
swaps() { # IN NAME: behind its second step; the queue of the table's lock puts the tenant first
    database one "$1"
    cluster_psql one "$1" -c "ALTER DATABASE $1 OWNER TO tenant"
    PGHOST="$T/one/socket" PGUSER=tenant "$PG_BIN/psql" -Xq -v ON_ERROR_STOP=1 -d "$1" -c "
        $version CREATE SEQUENCE ran; CREATE FUNCTION trap() RETURNS text LANGUAGE plpgsql AS
        \$\$ BEGIN PERFORM nextval('public.ran'); RETURN '002_wait'; END \$\$"
    hold_lock
    "$BIN/pgtide" upgrade "$2" --lock-timeout 60s >"$T/step.out" 2>"$T/step.err" &
    STEP_PID=$!
    PIDS+=("$STEP_PID")
    wait_for 10 'the step to wait' step_waits
    PGHOST="$T/one/socket" PGUSER=tenant "$PG_BIN/psql" -Xq -v ON_ERROR_STOP=1 -d "$1" -c 'BEGIN;
        LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE; ALTER TABLE alembic_version RENAME TO gone;
        CREATE VIEW alembic_version AS SELECT trap()::varchar(255) AS version_num; COMMIT' &
    SWAP_PID=$!
    wait_for 10 'the tenant to wait' tenant_waits
    release_lock
    status=0
    wait "$STEP_PID" || status=$?
    wait "$SWAP_PID"
    check "$1: the tenant was first" same "$(sql "SELECT relkind FROM pg_class WHERE relname = 'alembic_version'")" v
    check "$1: nothing of the view ran" same "$(sql 'SELECT is_called FROM ran')" f
    check "$1: refused" contains "$(cat "$T/step.err")" 'is not an ordinary table'
    check "$1: the status says so" test "$status" -ne 0
    check "$1: the second step is done, the third is not" same \
        "$(sql "SELECT to_regclass('second') IS NOT NULL, to_regclass('third') IS NULL")" 't|t'
}
tenant_waits() { [ "$(sql "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted")" = 1 ]; }
project waiting
swaps between_steps head
swaps after_the_last 002_wait

# --- a ledger of ours that others may write now
database one granted
expect_exit 0 pgtide upgrade 001_first
sql 'GRANT UPDATE ON pgtide.shard TO tenant'
expect_exit 5 pgtide upgrade
check 'says why' contains "$(cat "$T/err")" 'can be written by other roles'
sql 'REVOKE UPDATE ON pgtide.shard FROM tenant'
expect_exit 0 pgtide upgrade 002_wait
