"""merge

Revision ID: 004_merge
Revises: 003_left, 003_right
"""
revision = "004_merge"
down_revision = ("003_left", "003_right")


def upgrade():
    pass


def downgrade():
    pass
