"""The client of other registries, and the cache that reads with it."""
