#!/usr/bin/env bash
# A step whose success is reported is on disk: neither the database's settings nor the revision's let COMMIT be
# answered before. A deferred trigger of the revision's notes what is in force when everything of it has run.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin durable
cluster_start one
project small
revision 002_wait 001_first 'CREATE TABLE noted (setting text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO public.noted SELECT current_setting($s$synchronous_commit$s$); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER note AFTER INSERT ON first DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
SET LOCAL a.b = c;
INSERT INTO first VALUES (2);' 'DROP TABLE noted; DROP FUNCTION note() CASCADE;'
noted() { # DATABASE DATABASE-SETTING AUTHOR'S-STATEMENT
    sed -i "s/^SET LOCAL.*/$3/" "$PROJECT/versions/002_wait.sql"
    database one "$1"
    cluster_psql one postgres -c "ALTER DATABASE $1 SET synchronous_commit = $2"
    expect_exit 0 pgtide upgrade
    sql 'SELECT setting FROM noted'
}

check 'the revision turns it off' same "$(noted d1 on 'SET LOCAL synchronous_commit = off;')" on
check 'the database has it off' same "$(noted d2 off 'SET LOCAL application_name = x;')" on
check 'what waits for no standby stays so' same "$(noted d3 local 'SET LOCAL application_name = x;')" local
