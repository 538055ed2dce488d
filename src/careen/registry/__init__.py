"""The registry's use cases: one function, one transaction, over rows and bytes. Knows no HTTP.

A use case takes a :class:`~careen.registry.registry.Transaction` and plain arguments, and raises the errors of
``careen.ecr.errors``; every surface translates those into its own protocol's words.
"""
