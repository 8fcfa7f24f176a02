#!/usr/bin/env bash
# A revision with `when-fingerprint` runs where the schema before it is that one and is recorded everywhere; and the stamp
# of the catalogs, by which agents see whether a schema may have changed, is another one after every kind of change.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/schema_kinds.sh"
test_begin when-fingerprint
cluster_start one fsync=off
project when
rm "$PROJECT"/versions/*
revision 001_first '' 'CREATE TABLE t (id int PRIMARY KEY, a text);
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$SELECT 1$$;' 'DROP FUNCTION f(); DROP TABLE t;'
message() { sql "SELECT coalesce(message, '') FROM pgtide.history WHERE revision = '002_repair' ORDER BY seq DESC LIMIT 1"; }
repair() { # the revision, for the schema with this fingerprint
    cat >"$PROJECT/versions/002_repair.sql" <<SQL
-- revision: 002_repair
-- revises: 001_first
-- message: takes hack away
-- when-fingerprint: $1

-- +upgrade
ALTER TABLE t DROP COLUMN hack;

-- +downgrade

-- +verify
SELECT count(*) = 0 FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'hack';
SQL
}

database one clean
expect_exit 0 pgtide upgrade 001_first
database one drifted
expect_exit 0 pgtide upgrade 001_first
sql 'ALTER TABLE t ADD COLUMN hack int'
fingerprint=$(pgtide schema dump --fingerprint)
repair "$fingerprint"

# --- where it is needed, and where it is not
for way in upgrade 'upgrade --dry-run'; do
    expect_exit 0 pgtide $way
    check "$way: run where it is that schema" test -z "$(grep 'not needed' "$T/out")"
    [ "$way" = upgrade ] || continue
    check 'the column is gone' same "$(sql "SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'hack'")" 0
    check 'nothing is said of it' same "$(message)" ''
    expect_exit 0 pgtide downgrade 001_first
    check 'its downgrade does nothing' same "$(rows)" 001_first
    sql 'ALTER TABLE t ADD COLUMN hack int'
    check 'the same schema again' same "$(pgtide schema dump --fingerprint)" "$fingerprint"
done
expect_exit 0 pgtide upgrade
DATABASE=clean PGTIDE_URL=$(cluster_url one clean)
expect_exit 0 pgtide upgrade --dry-run
check 'a dry run says so' contains "$(cat "$T/out")" 'upgrade 002_repair: not needed here, and not tried'
expect_exit 0 pgtide upgrade --dry-run --json
check 'in JSON too' contains "$(cat "$T/out")" '"revision":"002_repair","repeatable":false,"needed":false'
expect_exit 0 pgtide upgrade
check 'it says so' contains "$(cat "$T/out")" '002_repair (' && check 'in words' contains "$(cat "$T/out")" 'not needed here, and recorded'
check 'it counts as applied' same "$(rows)" 002_repair
check 'the history says why' contains "$(message)" 'not needed here: the schema is f1:'
expect_exit 0 pgtide why
check 'and is told' contains "$(cat "$T/out")" 'not needed here: the schema is f1:'
expect_exit 0 pgtide downgrade 001_first

# --- several in one transaction: what the ones before have done counts
sql 'ALTER TABLE t ADD COLUMN hack int'
revision 000_base '' 'SELECT 1;' 'SELECT 1;'
sed -i 's/^-- revision: 001_first$/&\n-- revises: 000_base/' "$PROJECT/versions/001_first.sql"
database one together
expect_exit 0 pgtide upgrade --single-transaction
check 'recorded in the same transaction' same "$(rows)" 002_repair
check 'and not run' contains "$(message)" 'not needed here'
check 'two transactions at most' same "$(sql "SELECT count(DISTINCT xmin::text) FROM pgtide.history WHERE direction = 'upgrade'")" 1

# --- a schema of a database is compared alone
sql 'CREATE SCHEMA tenant'
expect_exit 0 pgtide upgrade 001_first --schema tenant
sql 'ALTER TABLE tenant.t ADD COLUMN hack int; CREATE TABLE public.other (id int)'
repair "$(pgtide schema dump --fingerprint --schema tenant)"
expect_exit 0 pgtide upgrade --schema tenant
check 'it was run there' same "$(sql "SELECT count(*) FROM pg_attribute WHERE attrelid = 'tenant.t'::regclass AND attname = 'hack'")" 0

# --- offline nobody can know
repair "$fingerprint"
expect_exit 0 pgtide upgrade 000_base:head --sql
check 'said in the script' contains "$(cat "$T/out")" 'Not run by this script: it is for shards whose schema is f1:'
check 'its SQL is not in it' test -z "$(grep 'DROP COLUMN hack' "$T/out")"
check 'said to who made it' contains "$(cat "$T/err")" "002_repair is recorded, not run: a script can't know whether the schema is that one"
database one scripted
expect_exit 0 pgtide upgrade 001_first
sql 'ALTER TABLE t ADD COLUMN hack int'
expect_exit 0 pgtide upgrade 001_first:head --sql
cluster_psql one scripted -v ON_ERROR_STOP=1 -f "$T/out" >/dev/null
check 'recorded' same "$(rows)" 002_repair
check 'said in the history' contains "$(message)" "not run by this script, which can't know whether the schema is $fingerprint"

# --- on a copy it runs where it would run
rehearsed() { # WHETHER OPTIONS: that it is tried
    local wanted=$1
    shift
    expect_exit 0 pgtide rehearse --json "$@"
    /usr/bin/python3 -c '
import json, sys
step = json.load(open(sys.argv[1]))["result"]["steps"][-1]
assert step["needed"] == (sys.argv[2] == "tried") == (len(step["statements"]) == 1), step
assert (step["class"] == "not-tried") == (sys.argv[2] != "tried"), step' "$T/out" "$wanted"
}
database one copied
sql 'CREATE SCHEMA tenant; CREATE TABLE public.other (id int)'
expect_exit 0 pgtide upgrade 001_first --schema tenant
sql 'ALTER TABLE tenant.t ADD COLUMN hack int'
repair "$(pgtide schema dump --fingerprint --schema tenant)"
check 'of a schema' rehearsed tried --schema tenant
database one published
expect_exit 0 pgtide upgrade 001_first
sql 'ALTER TABLE t ADD COLUMN hack int; CREATE PUBLICATION p FOR TABLE t' 2>/dev/null
repair "$(pgtide schema dump --fingerprint)"
check 'what is not copied is no difference' rehearsed tried
sql 'ALTER TABLE t ADD COLUMN other int'
check 'of another schema' rehearsed not-tried
expect_exit 0 pgtide rehearse
check 'in words' contains "$(cat "$T/out")" 'upgrade 002_repair: not tried: its `when-fingerprint` is not the schema of the copy'
check 'it does not count' contains "$(cat "$T/out")" '0 of 1 steps'
repair "$fingerprint"

# --- tried like the rest
expect_exit 0 pgtide test
check 'there and back' contains "$(cat "$T/out")" "2 passed, 0 irreversible, 0 failed, 1 not tried"
check 'not the one that is for another schema' contains "$(cat "$T/out")" 'not tried 002_repair: its `when-fingerprint` is not the schema before it'
expect_exit 0 pgtide test --json
check 'in JSON too' /usr/bin/python3 -c '
import json, sys
last = json.load(open(sys.argv[1]))["result"]["revisions"][-1]
assert last["verdict"] == "not-tried" and last["needed"] is False, last' "$T/out"

# --- the stamp
stamp() { cluster_psql one stamps -f "$ROOT/engine/schema/sql/stamp.sql"; }
database one stamps
sql "CREATE TABLE t (id int PRIMARY KEY, x text DEFAULT 'a'); CREATE VIEW v AS SELECT * FROM t; CREATE SEQUENCE s;
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE TYPE e AS ENUM ('a'); CREATE ROLE reader"
last=$(stamp)
while read -r same; do
    sql "$same" >/dev/null
    check "the same after: $same" same "$(stamp)" "$last"
done <<'SQL'
INSERT INTO t VALUES (1)
UPDATE t SET x = 'b'
VACUUM
VACUUM FREEZE t
VACUUM FULL t
ANALYZE
TRUNCATE t
REFRESH MATERIALIZED VIEW m
REINDEX TABLE t
SELECT nextval('s')
CREATE TEMPORARY TABLE tt (a int PRIMARY KEY, b text DEFAULT 'x' CHECK (b <> ''))
SQL
held() { # a temporary table that is still there
    cluster_psql one stamps -c "CREATE TEMPORARY TABLE tt (a serial PRIMARY KEY, b text DEFAULT 'x' CHECK (b <> ''));
        COMMENT ON COLUMN tt.a IS 'x'" -f "$ROOT/engine/schema/sql/stamp.sql" | tail -n 1
}
check 'the same beside a temporary table' same "$(held)" "$last"
while read -r change; do
    sql "$change" >/dev/null 2>&1
    now=$(stamp)
    check "another one after: $change" test "$now" != "$last"
    last=$now
done < <(of_server <<'SQL'
ALTER TABLE t ALTER x SET DEFAULT 'b'
ALTER TABLE t ALTER x SET NOT NULL
ALTER TABLE t ALTER x SET STATISTICS 10
18 ALTER TABLE t RENAME CONSTRAINT t_x_not_null TO must
18 ALTER TABLE t ALTER CONSTRAINT must NO INHERIT
ALTER TABLE t ALTER x SET STORAGE MAIN
COMMENT ON TABLE t IS 'a'
COMMENT ON TABLE t IS 'b'
COMMENT ON COLUMN t.x IS 'b'
COMMENT ON SCHEMA public IS 'z'
GRANT SELECT ON t TO reader
GRANT SELECT (x) ON t TO reader
REVOKE SELECT ON t FROM reader
GRANT USAGE ON SCHEMA public TO reader
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader
ALTER SEQUENCE s INCREMENT 2
ALTER SEQUENCE s OWNED BY t.id
ALTER TYPE e ADD VALUE 'b'
ALTER TYPE e RENAME VALUE 'b' TO 'c'
CREATE INDEX i ON t (x)
ALTER INDEX i RENAME TO i2
ALTER TABLE t CLUSTER ON i2
ALTER TABLE t REPLICA IDENTITY FULL
ALTER TABLE t ENABLE ROW LEVEL SECURITY
CREATE POLICY p ON t USING (true)
ALTER POLICY p ON t USING (false)
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'
GRANT EXECUTE ON FUNCTION f() TO reader
CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
ALTER TABLE t DISABLE TRIGGER g
CREATE RULE r AS ON DELETE TO t DO NOTHING
ALTER VIEW v RENAME COLUMN x TO y
ALTER TABLE t SET (fillfactor = 50)
ALTER TABLE t ADD CHECK (id > 0) NOT VALID
ALTER TABLE t VALIDATE CONSTRAINT t_id_check
CREATE STATISTICS st ON id, x FROM t
ALTER STATISTICS st SET STATISTICS 5
CREATE PUBLICATION pu FOR TABLE t
15 ALTER PUBLICATION pu SET TABLE t (id)
15 ALTER PUBLICATION pu SET TABLE t (id) WHERE (id > 1)
15 ALTER PUBLICATION pu SET TABLE t (id) WHERE (id > 2)
ALTER PUBLICATION pu DROP TABLE t
15 ALTER PUBLICATION pu ADD TABLES IN SCHEMA public
15 ALTER PUBLICATION pu DROP TABLES IN SCHEMA public
UPDATE pg_extension SET extversion = '0.9' WHERE extname = 'plpgsql'
CREATE DOMAIN d AS int
ALTER DOMAIN d ADD CHECK (value > 0)
CREATE TABLE child () INHERITS (t)
ALTER TABLE child NO INHERIT t
ALTER TABLE t SET UNLOGGED
ALTER TABLE t OWNER TO reader
CREATE COLLATION cc (locale = 'C')
CREATE SCHEMA other
ALTER TABLE t SET SCHEMA other
DROP MATERIALIZED VIEW m
SQL
)
