"""Careen: a container registry that keeps itself clean."""
