"""rows: values of many kinds

Revision ID: 002_rows
Revises: 001_people
Create Date: 2024-03-02 10:20:30

"""
import datetime

import sqlalchemy as sa
from alembic import op

revision = "002_rows"
down_revision = "001_people"

people = sa.table(
    "people", sa.column("id", sa.Integer), sa.column("name", sa.String), sa.column("born", sa.Date),
    sa.column("settings", sa.JSON),
)


def upgrade():
    op.bulk_insert(
        people,
        [
            {"id": 1, "name": "a 100% tab:\t, a quote: ', a backslash: \\", "born": datetime.date(2000, 2, 29)},
            {"id": 2, "name": "semicolon; -- no comment", "born": None},
        ],
    )
    bind = op.get_bind()
    bind.execute(sa.text("INSERT INTO people (id, name) VALUES (:id, :name)"), {"id": 3, "name": "it's 3"})
    bind.execute(people.insert(), [{"id": 4, "name": "four"}, {"id": 5, "name": "five"}])
    bind.execute(people.update().where(people.c.id == 5).values(born=datetime.date(1999, 12, 31)))
    op.execute("UPDATE people SET name = name || '%' WHERE name LIKE 'f%' -- with a remark at its end")
    op.execute("""
        CREATE FUNCTION greet(who text) RETURNS text LANGUAGE plpgsql AS $$
        BEGIN
\tRETURN 'hello; ' || who;
        END $$;
    """)


def downgrade():
    op.execute("DROP FUNCTION greet(text)")
    op.execute(people.delete())
