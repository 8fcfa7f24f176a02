"""people

They have a mood, which is a type of its own.
+upgrade is no marker here.

Revision ID: 001_people
Revises:
Create Date: 2024-03-01 10:20:30.123456

"""
import sqlalchemy as sa
from alembic import op

revision = "001_people"
down_revision = None
branch_labels = ("main",)


def upgrade():
    print("and so does a revision")
    mood = sa.Enum("sad", "it's fine", name="mood")
    mood.create(op.get_bind(), checkfirst=True)
    mood.create(op.get_bind(), checkfirst=True)
    op.create_table(
        "people",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("born", sa.Date),
        sa.Column("settings", sa.JSON),
        sa.Column("mood", sa.Enum(name="mood", create_constraint=False, _create_events=False), server_default="sad"),
        sa.UniqueConstraint("name"),
    )


def downgrade():
    op.drop_table("people")
    sa.Enum(name="mood").drop(op.get_bind(), checkfirst=True)
