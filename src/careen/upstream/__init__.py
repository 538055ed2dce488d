"""A client of other registries: any that speak the OCI distribution API, with a password, a token server or Amazon's keys.

It knows nothing of this registry's rows and bytes. The pull-through cache reads with it, replication writes with it.
"""
