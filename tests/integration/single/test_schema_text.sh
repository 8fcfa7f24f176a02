#!/usr/bin/env bash
# The schema as text sees every kind of change that pg_dump would see: each statement below must change it, and
# taking the statement back must bring the former text back.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin schema_text
cluster_start one
database one kinds
cluster_psql one postgres -c 'CREATE ROLE other'
sql "CREATE TABLE t (id int PRIMARY KEY, a text, b varchar(10), c int); CREATE TABLE u (id int PRIMARY KEY, t int);
CREATE INDEX i ON t (a); CREATE VIEW v AS SELECT id FROM t; CREATE MATERIALIZED VIEW m AS SELECT id FROM t;
CREATE SEQUENCE s; CREATE TYPE e AS ENUM ('a', 'b'); CREATE TYPE c AS (a int, b text); CREATE DOMAIN d AS int;
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION g(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE TRIGGER tr AFTER INSERT ON t EXECUTE FUNCTION f(); CREATE POLICY p ON t USING (true);
CREATE RULE r AS ON INSERT TO u DO ALSO NOTHING; CREATE TABLE part (a int) PARTITION BY RANGE (a);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (10); CREATE STATISTICS st ON a, b FROM t;
CREATE SCHEMA sch; CREATE COLLATION co FROM \"C\"; CREATE FOREIGN DATA WRAPPER w; CREATE SERVER sv FOREIGN DATA WRAPPER w;
CREATE TEXT SEARCH CONFIGURATION ts (COPY = simple); CREATE TEXT SEARCH DICTIONARY td (TEMPLATE = simple);
CREATE PUBLICATION pub FOR TABLE t; ALTER TABLE t ADD CONSTRAINT ch CHECK (c > 0) NOT VALID;
CREATE AGGREGATE ag (int) (SFUNC = int4pl, STYPE = int); CREATE TYPE ra AS RANGE (SUBTYPE = float8);
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq); CREATE TABLE child () INHERITS (t);
CREATE UNIQUE INDEX un ON t (c); CREATE FUNCTION f2() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION f2();"

changes() {
    cat <<'END'
CREATE TABLE n ()
CREATE UNLOGGED TABLE n ()
ALTER TABLE child SET UNLOGGED
ALTER TABLE t ADD COLUMN n int
ALTER TABLE t ALTER COLUMN a TYPE varchar(5)
ALTER TABLE t ALTER COLUMN b TYPE varchar(11)
ALTER TABLE t ALTER COLUMN a SET NOT NULL
ALTER TABLE t ALTER COLUMN a SET DEFAULT 'x'
ALTER TABLE t ALTER COLUMN a SET STORAGE EXTERNAL
ALTER TABLE t ALTER COLUMN a SET STATISTICS 7
ALTER TABLE t ALTER COLUMN a SET (n_distinct = 5)
ALTER TABLE t ALTER COLUMN a TYPE text COLLATE "C"
ALTER TABLE u ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY
ALTER TABLE t ADD COLUMN n int GENERATED ALWAYS AS (id + 1) STORED
ALTER TABLE t RENAME COLUMN a TO z
ALTER TABLE t SET (fillfactor = 50)
ALTER TABLE t SET (toast.autovacuum_enabled = false)
ALTER TABLE t ENABLE ROW LEVEL SECURITY
ALTER TABLE t FORCE ROW LEVEL SECURITY
ALTER TABLE t REPLICA IDENTITY FULL
ALTER TABLE t OWNER TO other
ALTER TABLE t CLUSTER ON i
ALTER TABLE t VALIDATE CONSTRAINT ch
ALTER TABLE u ADD FOREIGN KEY (t) REFERENCES t
ALTER TABLE u ADD FOREIGN KEY (t) REFERENCES t ON DELETE CASCADE DEFERRABLE
ALTER TABLE t ADD EXCLUDE (c WITH =)
ALTER TABLE t RENAME CONSTRAINT ch TO ch2
ALTER TABLE part DETACH PARTITION part1
ALTER TABLE child NO INHERIT t
ALTER TABLE t DISABLE TRIGGER tr
ALTER TABLE u DISABLE RULE r
CREATE TABLE n PARTITION OF part DEFAULT
CREATE INDEX n ON t (b)
CREATE INDEX n ON t (lower(a)) WHERE c > 1
DROP INDEX i
ALTER INDEX i SET (fillfactor = 50)
ALTER INDEX i RENAME TO j
CREATE OR REPLACE VIEW v AS SELECT id, 1 AS n FROM t
ALTER VIEW v SET (security_barrier = true)
REFRESH MATERIALIZED VIEW m WITH NO DATA
ALTER SEQUENCE s INCREMENT 2
ALTER SEQUENCE s OWNED BY t.id
ALTER TYPE e ADD VALUE 'c'
ALTER TYPE e RENAME VALUE 'a' TO 'z'
ALTER TYPE c ADD ATTRIBUTE x int
ALTER DOMAIN d SET NOT NULL
ALTER DOMAIN d SET DEFAULT 5
ALTER DOMAIN d ADD CHECK (VALUE > 0)
ALTER TYPE ra OWNER TO other
CREATE OR REPLACE FUNCTION g(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 2'
ALTER FUNCTION g(int) STABLE
ALTER FUNCTION g(int) SECURITY DEFINER
ALTER FUNCTION g(int) SET search_path = 'x'
ALTER FUNCTION g(int) COST 7
CREATE FUNCTION g(text) RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE PROCEDURE n() LANGUAGE sql AS 'SELECT 1'
CREATE OR REPLACE AGGREGATE ag (int) (SFUNC = int4mul, STYPE = int)
DROP TRIGGER tr ON t
CREATE OR REPLACE TRIGGER tr AFTER UPDATE ON t EXECUTE FUNCTION f()
ALTER POLICY p ON t USING (false)
ALTER POLICY p ON t TO other
CREATE OR REPLACE RULE r AS ON INSERT TO u DO INSTEAD NOTHING
ALTER STATISTICS st SET STATISTICS 9
DROP STATISTICS st
GRANT SELECT ON t TO other
GRANT SELECT (a) ON t TO other
GRANT USAGE ON SCHEMA sch TO other
GRANT USAGE ON TYPE e TO other
GRANT USAGE ON SEQUENCE s TO other
REVOKE EXECUTE ON FUNCTION g(int) FROM PUBLIC
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO other
ALTER SCHEMA sch OWNER TO other
CREATE SCHEMA n
COMMENT ON TABLE t IS 'x'
COMMENT ON COLUMN t.a IS 'x'
COMMENT ON FUNCTION g(int) IS 'x'
COMMENT ON INDEX i IS 'x'
COMMENT ON CONSTRAINT ch ON t IS 'x'
COMMENT ON SCHEMA sch IS 'x'
ALTER COLLATION co OWNER TO other
CREATE COLLATION n (locale = 'C')
ALTER TEXT SEARCH CONFIGURATION ts DROP MAPPING FOR word
ALTER TEXT SEARCH DICTIONARY td (stopwords = 'english')
ALTER OPERATOR === (int, int) SET (RESTRICT = eqsel)
CREATE OPERATOR CLASS n FOR TYPE ra USING btree AS FUNCTION 1 range_cmp(anyrange, anyrange)
CREATE CAST (c AS e) WITH INOUT
ALTER FOREIGN DATA WRAPPER w OPTIONS (x 'y')
ALTER SERVER sv OPTIONS (x 'y')
CREATE USER MAPPING FOR other SERVER sv
CREATE FOREIGN TABLE n (a int) SERVER sv
ALTER PUBLICATION pub ADD TABLE u
ALTER PUBLICATION pub SET (publish = 'insert')
ALTER EVENT TRIGGER et DISABLE
ALTER DATABASE kinds SET work_mem = '8MB'
CREATE EXTENSION pg_trgm
CREATE DEFAULT CONVERSION n FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8
END
}

{
    printf 'CREATE FUNCTION pg_temp.text_of() RETURNS text LANGUAGE sql SET search_path = pg_catalog AS $text$ SELECT md5(string_agg(q::text, %s ORDER BY q::text COLLATE "C")) FROM (\n' "''"
    cat "$ROOT/cli/sql/schema_text.sql"
    printf ') q $text$;\nSELECT pg_temp.text_of() AS before \\gset\n'
    while read -r change; do
        printf 'BEGIN;\n%s;\n' "$change"
        printf "SELECT pg_temp.text_of() = :'before' AS same \\gset\n"
        printf '\\if :same\n\\echo not seen: %s\n\\else\n\\echo seen\n\\endif\nROLLBACK;\n' "${change//\'/\"}"
    done < <(changes)
    printf "SELECT CASE WHEN pg_temp.text_of() = :'before' THEN 'unchanged' END;\n"
} >"$T/all.sql"
out=$(cluster_psql one kinds -f "$T/all.sql" 2>&1) || { echo "$out"; exit 1; }
check 'every change is seen' same "$(grep -v '^seen$' <<<"$out" || true)" unchanged
check 'all of them were tried' same "$(grep -c '^seen$' <<<"$out")" "$(changes | wc -l)"

# --- what pgtide keeps in a shard is no part of its schema
before=$(cluster_psql one kinds -c 'SELECT 1' >/dev/null && { echo 'SET search_path = pg_catalog;'; cat "$ROOT/cli/sql/schema_text.sql"; } | cluster_psql one kinds -f - | sort | md5sum)
project kinds
expect_exit 0 pgtide ensure-version
after=$({ echo 'SET search_path = pg_catalog;'; cat "$ROOT/cli/sql/schema_text.sql"; } | cluster_psql one kinds -f - | sort | md5sum)
check 'the ledger is left out' same "$after" "$before"
