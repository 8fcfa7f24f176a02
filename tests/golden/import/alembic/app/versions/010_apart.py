"""a branch of its own that needs another

Revision ID: 010_apart
Revises:
Depends On: main, 003_left
"""
from alembic import op

revision = "010_apart"
down_revision = None
branch_labels = "apart"
depends_on = ("main", "003_left")


def upgrade():
    op.execute("CREATE VIEW emails AS SELECT email FROM people")


def downgrade():
    op.execute("DROP VIEW emails")
