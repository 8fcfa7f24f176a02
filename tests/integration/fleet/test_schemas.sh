#!/usr/bin/env bash
# A tenant is a schema: three of them in one database, two in another, one of these a stranger's. They are found,
# backed up and migrated each on its own, and no more at a time in one database than was allowed.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin schemas
cluster_start one fsync=on
sql one postgres "CREATE ROLE $FLEET_ROLE LOGIN"
for database in apps more; do sql one postgres "CREATE DATABASE $database OWNER $FLEET_ROLE"; done
sql one postgres "CREATE TABLE tenants (database text, schema text, labels jsonb, PRIMARY KEY (database, schema));
    GRANT SELECT ON tenants TO $FLEET_ROLE;
    INSERT INTO tenants VALUES ('apps', 'acme', '{\"tier\": \"pro\"}'), ('apps', 'b/c d', '{\"tier\": \"free\"}'),
        ('apps', 'quo\"te', '{\"tier\": \"free\"}'), ('more', 'acme', '{\"tier\": \"pro\"}')"
tenant() { # DATABASE SCHEMA, quoted
    PGHOST="$T/one/socket" "$PG_BIN/psql" -X -q -U "$FLEET_ROLE" -d "$1" -v ON_ERROR_STOP=1 -v schema="$2" <<'SQL'
CREATE SCHEMA :"schema";
CREATE TABLE :"schema".mine (id int PRIMARY KEY);
INSERT INTO :"schema".mine VALUES (1);
SQL
}
tenant apps acme; tenant apps 'b/c d'; tenant apps 'quo"te'; tenant more acme; tenant more other
fleet_keys one
FLEET_HEARTBEAT=100ms fleet_coordinator
fleet_agent one one eu
sed -i 's/discover: .*/discover: SELECT database, schema, labels::text FROM tenants ORDER BY 1, 2/' "$T/agent-one/agent.yaml"
fleet_agent_stop one
fleet_agent_start one
wait_for 30 'all shards reported' fleet_has_shards 4
names() { alice fleet shards --json | json 'sorted(s["name"] for s in d["result"]["shards"])'; }
check 'found, their names encoded' same "$(names)" "['one/apps/acme', 'one/apps/b%2Fc%20d', 'one/apps/quo%22te', 'one/more/acme']"
check 'each its own identity' same "$(alice fleet shards --json | json 'len(set(s["uuid"] for s in d["result"]["shards"]))')" 4

project small
revision 001_first '' 'CREATE TABLE first (id int PRIMARY KEY);' 'DROP TABLE first;'
revision 002_wait 001_first 'ALTER TABLE mine ADD COLUMN second int;
SELECT pg_advisory_xact_lock(42);' 'ALTER TABLE mine DROP COLUMN second;' \
    'SELECT first.id, mine.second FROM first, mine LIMIT 0;'
bundle small

version_rows() { # DATABASE SCHEMA
    cluster_psql one "$1" -v schema="$2" <<<'SELECT string_agg(version_num, $$,$$) FROM :"schema".alembic_version'
}
schemas() { printf '%s\n' 'apps acme' 'apps b/c d' 'apps quo"te' 'more acme'; }
waiting() { sql one postgres "SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
    WHERE d.datname = '$1' AND l.locktype = 'advisory' AND NOT l.granted"; }

# --- one at a time in a database, both databases at once
rollout_yaml "$T/all.yaml" all "$T/small.bundle" 'concurrency: {database: 1}' 'locks: {timeout: 60s, attempts: 3}' \
    'backup: {method: dump, compress: 1, verify: true, keep: 1}'
hold_lock one apps
exec 8>&9
HELD=$LOCK_PID
started all
wait_for 30 'a step of apps to reach its lock' waits_for_lock one apps
more_is_done() { [ "$(version_rows more acme)" = 002_wait ]; }
wait_for 30 'the other database to be done' more_is_done
check 'one at a time in apps' same "$(waiting apps)" 1
check 'the others of apps wait' same "$(progress all running) $(progress all waiting)" '1 2'
echo '\q' >&8
exec 8>&- 9>&-
wait "$HELD"
wait_for 30 'the rollout to be over' is_over all
check 'succeeded' same "$(state all)" succeeded
while read -r database schema; do
    check "$database $schema: at the head" same "$(version_rows "$database" "$schema")" 002_wait
    check "$database $schema: its own history, each step once" same "$(sql one "$database" "SELECT count(*) || '/' || count(DISTINCT operation)
        FROM pgtide.history WHERE schema_name = '$schema' AND direction = 'upgrade' AND outcome = 'succeeded'")" 2/2
    check "$database $schema: its own tables" same "$(sql one "$database" "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class
        WHERE relkind = 'r' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = '$schema')")" 'alembic_version first mine'
done < <(schemas)
check 'the stranger is untouched' same "$(sql one more "SELECT string_agg(relname, ' ') FROM pg_class WHERE relkind = 'r' AND relnamespace = 'other'::regnamespace")" mine
check 'nothing in public' same "$(sql one apps "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace")" 0

# --- a dump of each, of its schema alone
dumps=0
while read -r manifest; do
    dump=${manifest%.manifest}.dump
    check 'a dump is what its manifest says' same "$(sha256sum "$dump" | cut -d' ' -f1)" "$(json 'd["sha256"].split(":")[-1]' <"$manifest")"
    check 'it holds one tenant' same "$("$PG_BIN/pg_restore" -l "$dump" | grep -c 'TABLE DATA .* mine ')" 1
    dumps=$((dumps + 1))
done < <(find "$T/agent-one/state/backups" -name '*.manifest')
check 'a dump of each' same "$dumps" 4

# --- one of them fails: it alone stays behind
revision 003_strict 002_wait 'ALTER TABLE mine ADD CONSTRAINT small CHECK (id < 10);' 'ALTER TABLE mine DROP CONSTRAINT small;'
bundle strict
sql one apps 'INSERT INTO acme.mine VALUES (99)'
rollout_yaml "$T/strict.yaml" strict "$T/strict.bundle" 'budget: {wave: 1, fleet: 1}' 'select: database = apps' 'on-shard-failure: rollback'
started strict
wait_for 30 'the rollout to be over' is_over strict
check 'within the budget' same "$(state strict)" succeeded
check 'one stays' same "$(version_rows apps acme) $(version_rows apps 'b/c d') $(version_rows apps 'quo"te')" '002_wait 003_strict 003_strict'
check 'of another database: not chosen' same "$(version_rows more acme)" 002_wait
listed_rows() { alice fleet shards --json | json '[s["rows"][0] for s in d["result"]["shards"]]'; }
as_they_stand() { [ "$(listed_rows)" = "['002_wait', '003_strict', '003_strict', '002_wait']" ]; }
listings() { alice fleet shards --json | json '[s["seen"] for s in d["result"]["shards"]][0]'; }
before=$(listings)
listed_anew() { [ "$(listings)" != "$before" ]; }
wait_for 60 'them to be listed anew' listed_anew
check 'each is listed with its own rows' as_they_stand
