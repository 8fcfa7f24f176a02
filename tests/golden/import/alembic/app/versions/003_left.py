"""left

Revision ID: 003_left
Revises: 002_rows
"""
import sqlalchemy as sa
from alembic import op

revision = "003_left"
down_revision = "002_rows"


def upgrade():
    with op.batch_alter_table("people") as batch:
        batch.add_column(sa.Column("email", sa.Text))
        batch.create_unique_constraint(None, ["email"])


def downgrade():
    with op.batch_alter_table("people") as batch:
        batch.drop_constraint("uq_people_email", type_="unique")
        batch.drop_column("email")
