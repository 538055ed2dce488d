"""Rows: the schema, the transactions, and functions of a few statements each that take a connection."""
