"""Careen with the question who is calling left out, to measure what asking costs: ``python unasked.py serve …``."""

from careen.cli.main import main
from careen.distribution import auth
from careen.distribution.exchange import Exchange
from careen.iam import managed
from careen.iam.managed import ManagedPolicy
from careen.registry.callers import ROOT, Principal
from careen.registry.fresh import Fresh
from careen.registry.registry import Registry


def _anybody(registry: Registry, fresh: Fresh, exchange: Exchange) -> Principal:  # noqa: ARG001 - as it is called
    return Principal(registry.id, ROOT, "", managed.documents(ManagedPolicy.FULL_ACCESS))


if __name__ == "__main__":
    auth.authenticate = _anybody
    main()
