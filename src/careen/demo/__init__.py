"""Sixty days of a believable team's pushes, for ``careen demo`` and for tests that want a lived-in registry."""
