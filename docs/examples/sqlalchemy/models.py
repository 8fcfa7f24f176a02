"""An application's models. Run as a program it prints the SQL that makes them, and connects to nothing."""
import enum

from sqlalchemy import (CheckConstraint, Column, DateTime, Enum, ForeignKey, Index, Integer, Numeric, String, Text,
                        create_mock_engine, func)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import declarative_base

Base = declarative_base()


class Role(enum.Enum):
    member = 1
    admin = 2


class Team(Base):
    __tablename__ = "teams"
    id = Column(Integer, primary_key=True)
    name = Column(String(80), nullable=False, unique=True)
    # Users are of teams, and teams have owners: one of the two keys comes behind both tables.
    owner_id = Column(ForeignKey("users.id", name="teams_owner", use_alter=True))


class User(Base):
    __tablename__ = "users"
    __table_args__ = (
        CheckConstraint("balance >= 0", name="users_balance"),
        Index("users_by_name", func.lower(Column("name"))),
        {"comment": "people who may log in"},
    )
    id = Column(Integer, primary_key=True)
    team_id = Column(ForeignKey("teams.id", ondelete="CASCADE"), nullable=False, index=True)
    name = Column(Text, nullable=False)
    role = Column(Enum(Role, name="role"), nullable=False, server_default="member")
    balance = Column(Numeric(12, 2), nullable=False, server_default="0")
    settings = Column(JSONB, nullable=False, server_default="{}")
    created_at = Column(DateTime(timezone=True), nullable=False, server_default=func.now())


def print_schema(metadata):
    def show(statement, *_args, **_kwargs):
        print(f"{str(statement.compile(dialect=dialect)).strip()};\n")

    engine = create_mock_engine("postgresql://", show)
    dialect = postgresql.dialect(paramstyle="named")  # a driver's would write % as %%
    dialect._backslash_escapes = False  # standard_conforming_strings is on, which only a connection would tell
    metadata.create_all(engine, checkfirst=False)


if __name__ == "__main__":
    print_schema(Base.metadata)
