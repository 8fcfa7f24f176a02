#!/usr/bin/env bash
# Models of SQLAlchemy as the model: docs/examples/sqlalchemy, from nothing and on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
test_begin sqlalchemy
export PGOPTIONS='-c client_min_messages=error' PATH=/usr/bin:$PATH # Debian's Python has Debian's SQLAlchemy
cluster_start one fsync=off
database one target
cp -r "$ROOT/docs/examples/sqlalchemy" "$T/project"
export PGTIDE_CONFIG=$T/project/pgtide.yaml
file() { cat "$T"/project/versions/$1; } # a pattern

expect_exit 0 pgtide revision --autogenerate -m 'the models'
check 'the cycle of keys' contains "$(file '001*')" 'ADD CONSTRAINT teams_owner FOREIGN KEY (owner_id) REFERENCES public.users(id);'
expect_exit 0 pgtide upgrade
sql "INSERT INTO teams (name) VALUES ('a'); INSERT INTO users (team_id, name) VALUES (1, 'Ann')"
check 'a table as SQLAlchemy would make it' same "$(sql 'SELECT id, role, balance, settings FROM users')" '1|member|0.00|{}'
expect_exit 0 pgtide check
expect_exit 0 pgtide revision --autogenerate -m again
check 'nothing to do' contains "$(cat "$T/out")" 'nothing to do'

# --- the models go on
sed -i 's/    admin = 2/&\n    guest = 3/; s/    name = Column(Text, nullable=False)/&\n    bio = Column(Text, index=True)/;
    s/server_default="member"/server_default="guest"/; s/Numeric(12, 2)/Numeric(14, 2)/' "$T/project/models.py"
expect_exit 3 pgtide check
expect_exit 0 pgtide revision --autogenerate -m bio --safe-forms
check 'three revisions' same "$(cd "$T/project/versions" && echo *.sql)" '001_the_models.sql 002_bio_labels.sql 003_bio.sql'
check 'the index holds nobody up' contains "$(file 003_bio.sql)" 'CREATE INDEX CONCURRENTLY ix_users_bio'
expect_exit 0 pgtide upgrade
sql "INSERT INTO users (team_id, name) VALUES (1, 'Bob')"
check 'the new label is the default' same "$(sql "SELECT role FROM users WHERE name = 'Bob'")" guest
sql "DELETE FROM users WHERE role = 'guest'"
expect_exit 0 pgtide downgrade 002_bio_labels
expect_exit 0 pgtide upgrade
expect_exit 0 pgtide check

# --- percents and backslashes are as they were written
sed -i 's/    bio = Column(Text, index=True)/&\n    share = Column(Text, server_default="c:\\\\d 100%", comment="in %, \\\\d")/' "$T/project/models.py"
expect_exit 0 pgtide revision --autogenerate -m share
expect_exit 0 pgtide upgrade
sql "INSERT INTO users (team_id, name) VALUES (1, 'Cy')"
check 'a default' same "$(sql "SELECT share FROM users WHERE name = 'Cy'")" 'c:\d 100%'
check 'a comment' same "$(sql "SELECT col_description('users'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'share'")" 'in %, \d'

# --- a program that fails
echo 'raise SystemExit("no models today")' >>"$T/project/models.py"
expect_exit 1 pgtide revision --autogenerate -m more
check 'what it says is told' contains "$(cat "$T/err")" 'no models today'
check 'no file' same "$(cd "$T/project/versions" && ls *.sql | wc -l)" 4
