"""The service models, and the one place that knows how botocore keeps them.

botocore promises clients nothing about ``botocore.model``; it has been stable for a decade, is used like
this by moto and LocalStack, and is pinned by our lock file. What we use of it is here and in ``parser`` and
``writer``, which walk shapes.

A :class:`Service` is all the wire needs to serve a model. ECR's and ECR Public's come with botocore; our
own, in the same JSON format, is in ``models/``. IAM and STS, which keep the registry's users and roles, speak the
older query protocol (``careen.ecr.query``).

Importing this takes botocore's model and loader, not its sessions or credentials: nothing is read from the
environment or from the operator's home.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel

from careen.ecr.common_errors import UnknownOperation


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One service of AWS, as its model describes it."""

    model: ServiceModel
    """botocore's view: operations and shapes."""

    description: Mapping[str, Any]
    """The raw model: what ``model`` hides, such as which exceptions are faults."""

    target_prefix: str
    """What stands before the operation in X-Amz-Target: ``AmazonEC2ContainerRegistry_V20150921``.

    Empty: it speaks the query protocol, where the form names the operation.
    """

    signing_name: str
    """The service in the credential scope of a signature: ``ecr``."""

    def operation(self, name: str) -> OperationModel:
        """The operation of this name; always the same object for the same name.

        Raises:
            UnknownOperation: the model has none.
        """
        if name not in self.description["operations"]:
            raise UnknownOperation(name)
        return self.model.operation_model(name)

    def targeted(self, target: str) -> OperationModel:
        """The operation that an X-Amz-Target header names: ``<target prefix>.<operation>``.

        Raises:
            UnknownOperation: another service's prefix, or no operation of this one.
        """
        prefix, _, name = target.partition(".")
        if prefix != self.target_prefix:
            raise UnknownOperation(target)
        return self.operation(name)


def service(description: Mapping[str, Any], name: str) -> Service:
    """The service that a model in botocore's ``service-2.json`` format describes.

    Args:
        description: the parsed JSON.
        name: what botocore calls the service: ``ecr``.
    """
    model = ServiceModel(description, name)
    metadata = description["metadata"]
    return Service(model, description, metadata.get("targetPrefix", ""), model.signing_name)


@cache
def ecr() -> Service:
    """Amazon ECR, 2015-09-21, as the installed botocore describes it."""
    return _amazons("ecr")


@cache
def iam() -> Service:
    """AWS IAM, 2010-05-08: users, roles, keys and their policies."""
    return _amazons("iam")


@cache
def sts() -> Service:
    """AWS STS, 2011-06-15: who is calling, and temporary credentials."""
    return _amazons("sts")


@cache
def ecr_public() -> Service:
    """Amazon ECR Public, 2020-10-30."""
    return _amazons("ecr-public")


def _amazons(name: str) -> Service:
    """A service of Amazon's, from the installed botocore.

    botocore looks into ``~/.aws/models`` before its own data, for users who add models to the AWS CLI. What
    a registry serves must not depend on who started it, so only botocore's own data is searched.
    """
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    return service(loader.load_service_model(name, "service-2"), name)


OWN_MODELS = Path(__file__).parent / "models"
"""Where our own model is, in botocore's layout: a search path for a loader, so that boto3 finds the service."""


@cache
def careen() -> Service:
    """Careen's own service: what goes beyond Amazon ECR, in a model of the same format."""
    loader = Loader(extra_search_paths=[str(OWN_MODELS)], include_default_search_paths=False)
    return service(loader.load_service_model("careen", "service-2"), "careen")


def operation(name: str) -> OperationModel:
    """ECR's operation of this name.

    Raises:
        UnknownOperation: ECR has none.
    """
    return ecr().operation(name)
