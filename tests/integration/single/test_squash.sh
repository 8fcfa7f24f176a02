#!/usr/bin/env bash
# `pgtide squash`: a baseline makes the same database as its revisions, for new databases; old ones go on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin squash
cluster_start one

no_scratch_left() { same "$(cluster_psql one postgres -c "SELECT count(*) FROM pg_database WHERE datname LIKE 'pgtide_scratch%'")" 0; }
dump() { PGHOST=$T/one/socket PGUSER=postgres "$PG_BIN/pg_dump" --exclude-schema=pgtide "$1" | grep -v '^\\\(un\)\?restrict'; }

PROJECT=$T/project
export PGTIDE_CONFIG=$PROJECT/pgtide.yaml
mkdir -p "$PROJECT/versions"
echo 'versions: versions' >"$PGTIDE_CONFIG"
revision 001_a '' "CREATE EXTENSION pg_trgm; CREATE SCHEMA audit; CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE a (id bigserial PRIMARY KEY, name text NOT NULL, m mood DEFAULT 'ok');
CREATE INDEX a_name ON a USING gin (name gin_trgm_ops);
CREATE TABLE audit.log (id int GENERATED ALWAYS AS IDENTITY, a bigint REFERENCES a, at timestamptz DEFAULT now());
COMMENT ON TABLE a IS 'it''s a; -- +upgrade';" 'DROP TABLE audit.log, a; DROP TYPE mood; DROP SCHEMA audit; DROP EXTENSION pg_trgm;'
revision 002_left 001_a "CREATE FUNCTION names() RETURNS SETOF text LANGUAGE sql STABLE AS \$\$ SELECT name FROM a -- ';
\$\$;" 'DROP FUNCTION names;'
revision 002_right 001_a "INSERT INTO a (name) VALUES ('one'), ('it''s
\\two'), (E'tab\there');" "DELETE FROM a;"
revision 003_merge '002_left, 002_right' 'CREATE VIEW v AS SELECT a.id, names() FROM a; GRANT SELECT ON v TO PUBLIC;
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit.log (a) VALUES (NEW.id); RETURN NULL; END $$;
CREATE TRIGGER noted AFTER INSERT ON a FOR EACH ROW EXECUTE FUNCTION note();' 'DROP TRIGGER noted ON a; DROP FUNCTION note; DROP VIEW v;'
revision 004_last 003_merge 'ALTER TABLE a ADD COLUMN late text;' 'ALTER TABLE a DROP COLUMN late;'

# --- a database from before, and the baseline
database one old
expect_exit 0 pgtide upgrade 003_merge
expect_exit 0 pgtide squash 003_merge -m 'the first year'
baseline=$PROJECT/versions/baseline_003_merge.sql
check 'the file is where it belongs' contains "$(cat "$T/out")" "$baseline"
check 'and says what it is' contains "$(head -n 3 "$baseline")" '-- baseline: 003_merge'
check 'with its message' contains "$(head -n 3 "$baseline")" '-- message: the first year'
check 'nothing of the ledger is in it' same "$(grep -c 'alembic_version\|pgtide' "$baseline" || true)" 0
check 'no command of psql is in it' same "$(grep -c '^\\' "$baseline" || true)" 1 # the author's line in a literal
check 'names in public follow the path' same "$(grep -c 'public\.' "$baseline" || true)" 0
check 'others are qualified' contains "$(cat "$baseline")" 'CREATE TABLE audit.log'
check 'rows are in it' contains "$(cat "$baseline")" "'one'"
check 'no scratch database is left' no_scratch_left
check 'nothing of the url was touched' same "$(rows)" 003_merge

# --- a new database goes by it, an old one by the revisions; both are the same
database one new
expect_exit 0 pgtide upgrade
check 'two steps instead of five' same "$(history)" 'upgrade|003_merge|succeeded
upgrade|004_last|succeeded'
check 'at head' same "$(rows)" 004_last
PGTIDE_URL=$(cluster_url one old) expect_exit 0 pgtide upgrade
check 'old and new are the same' same "$(dump new)" "$(dump old)"
expect_exit 0 pgtide downgrade 001_a
check 'below the baseline by the downgrades' same "$(rows)" 001_a
check 'which ran' same "$(sql "SELECT count(*) FROM a")|$(sql "SELECT to_regclass('v') IS NULL")" '0|t'
expect_exit 0 pgtide upgrade
check 'and up again by the revisions' same "$(rows)" 004_last
expect_exit 0 pgtide downgrade base
check 'down to nothing' same "$(sql "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname NOT LIKE 'alembic%'")" 0
database one partly
expect_exit 0 pgtide upgrade 002_left
check 'a target below the baseline goes by revisions' same "$(rows)" 002_left

# --- tenants' schemas
database one tenants
sql 'CREATE SCHEMA tenant; CREATE SCHEMA plain'
revision 010_simple '' 'CREATE TABLE s (id serial PRIMARY KEY); INSERT INTO s DEFAULT VALUES;' 'DROP TABLE s;'
expect_exit 0 pgtide squash 010_simple
expect_exit 0 pgtide upgrade 010_simple --schema tenant
check 'in the tenant' same "$(sql "SELECT id, to_regclass('public.s') IS NULL FROM tenant.s")" '1|t'
rm "$PROJECT"/versions/*010_simple.sql

# --- a later one; the same one; what is refused
expect_exit 2 pgtide squash 003_merge
check 'there already' contains "$(cat "$T/err")" "$baseline"
expect_exit 0 pgtide squash head --json
check 'JSON' contains "$(cat "$T/out")" '"baseline":"004_last"'
database one newest
expect_exit 0 pgtide upgrade
check 'the newest baseline is taken' same "$(history)" 'upgrade|004_last|succeeded'
check 'it is the same again' same "$(dump newest)" "$(dump old)"
rm "$PROJECT/versions/baseline_004_last.sql"
expect_exit 2 pgtide squash nosuch
expect_exit 2 pgtide squash base
expect_exit 0 pgtide test
check 'the revisions are tried, not the baseline' contains "$(cat "$T/out")" 'passed 001_a'
check 'and the baseline is proven again' contains "$(cat "$T/out")" 'passed baseline_003_merge.sql'
sed -i 's/CREATE VIEW v/CREATE VIEW vv/; s/ v TO PUBLIC/ vv TO PUBLIC/; s/TABLE v /TABLE vv /' "$baseline"
expect_exit 1 pgtide test
check 'one that was changed is found' contains "$(cat "$T/out")" 'FAILED baseline_003_merge.sql'
check 'and what it changes' contains "$(cat "$T/out")" '+view public.vv'
rm "$baseline"

# --- a difference that pg_dump can't carry: nothing is written
revision 005_clock 004_last "INSERT INTO a (name) VALUES ('later'); CREATE TABLE moments (at timestamptz); CREATE FUNCTION tick() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN NEW.at = clock_timestamp(); RETURN NEW; END \$\$;
CREATE TRIGGER tick BEFORE INSERT ON moments FOR EACH ROW EXECUTE FUNCTION tick(); ALTER TABLE moments ENABLE ALWAYS TRIGGER tick;
ALTER DATABASE \"x\" SET work_mem = '8MB';" 'SELECT 1;'
sed -i '/ALTER DATABASE/s/.*/DO $$ BEGIN EXECUTE format('"'ALTER DATABASE %I SET work_mem = ''8MB'''"', current_database()); END $$;/' "$PROJECT/versions/005_clock.sql"
expect_exit 3 pgtide squash 005_clock
check 'shown' contains "$(cat "$T/out")" 'work_mem=8MB'
check 'nothing written' test ! -e "$PROJECT/versions/baseline_005_clock.sql"
check 'no scratch database is left after a difference' no_scratch_left
revision 005_clock 004_last 'SELECT 1/0;' 'SELECT 1;'
expect_exit 1 pgtide squash 005_clock
check 'a revision that fails is named' contains "$(cat "$T/err")" '005_clock.sql'
