"""no way back

Revision ID: 005_last
Revises: 004_merge
"""
from alembic import op

revision = "005_last"
down_revision = "004_merge"


def upgrade():
    op.alter_column("people", "name", new_column_name="full_name", nullable=True)


def downgrade():
    raise NotImplementedError("what was null can't be told from what was empty")
