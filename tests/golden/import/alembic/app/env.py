import os

from alembic import context
from sqlalchemy import MetaData, create_engine

metadata = MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"})
print("env.py says something on standard output")

if context.is_offline_mode():
    context.configure(url=context.config.get_main_option("sqlalchemy.url"), target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["ALEMBIC_URL"]).connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
