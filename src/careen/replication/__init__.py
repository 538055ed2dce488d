"""Replication at work: the registry decides what is copied and deleted elsewhere; here it is done, by ``careen.upstream``."""
