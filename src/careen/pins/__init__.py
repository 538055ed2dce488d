"""Feeds: what runs where, asked of whoever runs it, and reported to a registry through its ``careen`` service alone."""
