"""The database of a PostgreSQL server: what it promises is in ``careen.db.engine``, how it keeps that in ``database``."""
