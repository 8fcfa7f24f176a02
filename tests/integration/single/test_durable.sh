#!/usr/bin/env bash
# The end of a step: what its revision put off until COMMIT runs as the revision, and COMMIT is answered from disk,
# whatever the database or the revision sets. Only a COMMIT that is made sure of waits for the standby that never comes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin durable
cluster_start one
for setting in 'synchronous_commit = local' 'synchronous_standby_names = nobody'; do
    cluster_psql one postgres -c "ALTER SYSTEM SET $setting"
done
cluster_psql one postgres -c 'SELECT pg_reload_conf()' >/dev/null
project small
revision 002_wait 001_first 'SET LOCAL a.b = c;' 'SELECT 1;'

# The COMMIT that waits, so that each is let go once.
waiting() { sql "SELECT pid || ' ' || query_start FROM pg_stat_activity WHERE wait_event = 'SyncRep'"; }
is_over() { ! kill -0 "$1" 2>/dev/null; }
another_waits_or_ends() {
    COMMIT=$(waiting)
    [ -n "$COMMIT" ] && [ "$COMMIT" != "$2" ] || is_over "$1"
}
# How many COMMITs of an upgrade waited.
waits() { # DATABASE DATABASE-SETTING REVISION'S-STATEMENT
    local pid waited=0 last=
    sed -i "s/^SET LOCAL.*/$3/" "$PROJECT/versions/002_wait.sql"
    database one "$1"
    cluster_psql one postgres -c "ALTER DATABASE $1 SET synchronous_commit = $2"
    pgtide upgrade >"$T/out" 2>"$T/err" &
    pid=$!
    while ! is_over "$pid"; do
        wait_for 20 'a COMMIT to wait, or the end' another_waits_or_ends "$pid" "$last"
        is_over "$pid" || {
            waited=$((waited + 1)) last=$COMMIT
            sql "SELECT pg_cancel_backend(${COMMIT%% *})" >/dev/null
        }
    done
    wait "$pid"
    echo "$waited"
}

check 'nothing is asked: nothing waits' same "$(waits d1 local 'SET LOCAL a.b = c;')" 0
check 'the revision turns it off' same "$(waits d2 local 'SET LOCAL synchronous_commit = off;')" 1
check 'the database has it off: each step is made sure of' same "$(waits d3 off 'SET LOCAL a.b = c;')" 3

revision 002_wait 001_first 'CREATE TABLE noted (who text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO noted SELECT current_user; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON first DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
GRANT ALL ON noted, first TO tenant;
SET ROLE tenant;
INSERT INTO first VALUES (2);' 'DROP TABLE noted; DROP FUNCTION note() CASCADE;'
cluster_psql one postgres -c 'CREATE ROLE tenant'
database one d4
expect_exit 0 pgtide upgrade
check 'a deferred trigger finds its table, as its role' same "$(sql 'SELECT who FROM noted')" tenant
