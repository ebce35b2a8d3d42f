"""Alembic's entry: runs the migrations on the connection that `Catalog` hands over, inside its transaction."""

from alembic import context
from sqlalchemy import Connection, text

from featurestore.catalog.schema import metadata

_OTHERWISE_SORTED = """
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod)
    from pg_attribute a
    join pg_class c on c.oid = a.attrelid
    join pg_namespace n on n.oid = c.relnamespace
    join pg_collation o on o.oid = a.attcollation
    where n.nspname = current_schema() and c.relkind = 'r' and c.relname = any(:tables)
      and a.attnum > 0 and not a.attisdropped and o.collname <> 'C'
"""


def _sort_by_code_point(connection: Connection) -> None:
    """Give texts of new tables one order and ranges in PostgreSQL too, whatever the language of the database."""
    columns = connection.execute(text(_OTHERWISE_SORTED), {"tables": list(metadata.tables)}).all()
    for table, column, type_ in columns:
        connection.execute(text(f'alter table "{table}" alter column "{column}" type {type_} collate "C"'))


connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
with context.begin_transaction():
    context.run_migrations()
    if connection.dialect.name == "postgresql":
        _sort_by_code_point(connection)
