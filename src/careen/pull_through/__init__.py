"""The pull-through cache at work: who we are upstream, one import at a time, images and their layers on their way in.

Which prefixes stand for other registries, and what is fresh, is :mod:`careen.registry.pull_through`'s; how another registry is
spoken to is :mod:`careen.upstream`'s. This brings them together.
"""
