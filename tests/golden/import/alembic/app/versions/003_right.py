"""right

Revision ID: 003_right
Revises: 002_rows
"""
import sqlalchemy as sa
from alembic import op

revision = "003_right"
down_revision = "002_rows"


def upgrade():
    op.create_table("places", sa.Column("id", sa.Integer, primary_key=True), sa.Column("person", sa.Integer))
    op.create_foreign_key("fk_places_person", "places", "people", ["person"], ["id"], ondelete="CASCADE")
    op.create_index("ix_places_person", "places", ["person"], postgresql_where=sa.text("person > 0"))


def downgrade():
    op.drop_table("places")
