#!/usr/bin/env bash
# A schema as one text: the same for the same schema, another one after every kind of change; nothing of pgtide's own, of
# extensions' members or of secrets in it.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/schema_kinds.sh"
test_begin schema_dump
cluster_start one wal_level=logical fsync=off
cluster_psql one postgres -c 'CREATE ROLE other' -c 'CREATE DATABASE twin'
database one kinds
sql "$(kinds_base)"
fingerprint() { pgtide schema dump --fingerprint "$@"; }

# --- the same schema in another database, whose oids and order of columns are others
cluster_psql one twin -c 'CREATE TABLE before_it (a serial); DROP TABLE before_it'
kinds_base | sed 's/CREATE TABLE t (id int PRIMARY KEY, a text, b varchar(10), c int)/CREATE TABLE t (c int, id int PRIMARY KEY, b varchar(10), a text)/' |
    cluster_psql one twin -f -
pgtide schema dump >"$T/kinds.txt"
pgtide schema dump --url "$(cluster_url one twin)" >"$T/twin.txt"
check 'the same text' diff "$T/kinds.txt" "$T/twin.txt"
check 'its digest' same "$(fingerprint)" "f1:$(sha256sum <"$T/kinds.txt" | cut -d ' ' -f 1)"
check 'as JSON too' same "$(pgtide schema dump --json | /usr/bin/python3 -c '
import json, sys
result = json.load(sys.stdin)["result"]
assert any(o["kind"] == "view" and ["table", "public.t"] in o["needs"] or ["column", "public.t.id"] in o["needs"]
           for o in result["objects"]), "a view needs its table"
print(result["fingerprint"])')" "$(fingerprint)"

# --- every change is seen, one after the other, except settings of the database, which are none of its schema
before=$(fingerprint --owners)
unseen='' refused=''
while read -r change; do
    case $change in
    'ALTER DATABASE '*) continue ;;
    'CREATE '*TABLE' n ('*) undo='DROP TABLE n' ;;
    'CREATE TABLE n '*) undo='DROP TABLE n' ;;
    *' OWNER TO other') undo=${change/other/postgres} ;;
    'CREATE INDEX n '* | 'CREATE UNIQUE INDEX n '*) undo='DROP INDEX n' ;;
    'ALTER TABLE t ADD COLUMN n '*) undo='ALTER TABLE t DROP COLUMN n' ;;
    *) undo= ;;
    esac
    sql "$change" >/dev/null 2>&1 || { # an earlier one has changed what it needs
        refused="$refused$change; "
        continue
    }
    after=$(fingerprint --owners)
    [ "$after" != "$before" ] || unseen="$unseen$change; "
    [ -z "$undo" ] || sql "$undo" 2>/dev/null || true
    [ -z "$undo" ] || after=$(fingerprint --owners)
    before=$after
    checks=$((checks + 1))
done < <(kinds_changes)
check 'every change is seen' same "$unseen" ''
check "nearly all of them were tried, but: $refused" test "$(tr -cd ';' <<<"$refused" | wc -c)" -lt 8

# --- what docs/schema.md says of kinds of objects is what is tried here, on servers that have it
untried=$(sed -n 's/^| [^|`]* | `\([^`]*\)` | \(yes\|with `--owners`\) |.*/\1/p' "$ROOT/docs/schema.md" | sort |
    comm -23 - <(kinds_known | sort))
check 'each kind of docs/schema.md is a case' same "$untried" ''
check 'and there are many' test "$(grep -c '^| [^|]* | `' "$ROOT/docs/schema.md")" -gt 40

# --- what is left out
before=$(fingerprint)
project kinds
expect_exit 0 pgtide ensure-version
check 'the ledger and the version table' same "$(fingerprint)" "$before"
check 'members of extensions' same "$(pgtide schema dump | grep -c 'trgm')" 1
sql "CREATE SERVER secret FOREIGN DATA WRAPPER w; CREATE USER MAPPING FOR other SERVER secret OPTIONS (password 'hunter2')"
check 'passwords' same "$(pgtide schema dump --json | grep -c hunter2 || true)" 0
check 'but the mapping is there' same "$(pgtide schema dump | grep -c '^user mapping FOR other SERVER secret')" 1

# --- tenants' schemas, without their names
for name in tenant_1 'Tenant "2"'; do
    cluster_psql one kinds -v name="$name" <<'END'
CREATE SCHEMA :"name";
SET search_path = :"name";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, mood mood DEFAULT 'ok', CHECK (mood <> 'sad'));
CREATE TABLE posts (id serial PRIMARY KEY, author bigint REFERENCES users);
CREATE UNIQUE INDEX ON posts (author, id) WHERE id > 0; CREATE INDEX ON posts (author);
CREATE VIEW authors AS SELECT u.id, count(*) FROM users u JOIN posts p ON p.author = u.id GROUP BY 1;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE OF author ON posts FOR EACH ROW WHEN (new.author > 0) EXECUTE FUNCTION touch();
CREATE STATISTICS pair ON id, author FROM posts;
ALTER TABLE posts ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON posts USING (author IN (SELECT id FROM users));
CREATE RULE r AS ON DELETE TO posts DO ALSO DELETE FROM users WHERE id = old.author;
COMMENT ON COLUMN posts.author IS 'who';
GRANT SELECT ON users TO other;
END
done
pgtide schema dump --schema tenant_1 >"$T/tenant.txt"
check 'two tenants are the same' same "$(fingerprint --schema tenant_1)" "$(fingerprint --schema 'Tenant "2"')"
check 'their names are in no text' same "$(grep -ci tenant "$T/tenant.txt" || true)" 0
check 'all of it is' same "$(grep -cE '^ *(table|column|index|view|function|trigger|policy|rule|statistics|constraint|type|sequence) ' "$T/tenant.txt")" 20
sql 'ALTER TABLE tenant_1.users ADD COLUMN bio text'
check 'until one changes' test "$(fingerprint --schema tenant_1)" != "$(fingerprint --schema 'Tenant "2"')"

# --- refused
expect_exit 2 pgtide schema dump --schema nobody
check 'with words' contains "$(cat "$T/err")" 'no schema nobody in this database'
expect_exit 2 pgtide schema dump --schema ''
expect_exit 2 pgtide schema dump --url ''
expect_exit 2 pgtide schema dump extra
expect_exit 2 pgtide schema
expect_exit 6 pgtide schema dump --url "postgresql://nobody@/kinds?host=$T/nowhere"
