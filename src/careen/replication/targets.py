"""Where destinations are: a file that gives each Region and registry id an address and a credential.

ECR's rules name a destination by Region and account alone, which leads somewhere on Amazon. Here the operator says where
(docs/adr/0024)::

    [[target]]
    region = "eu-west-1"
    registry_id = "123456789012"
    url = "https://registry.example.eu"
    username = "AKIA…"
    password_file = "registry.example.eu.secret"
"""

import tomllib
from pathlib import Path

import msgspec

from careen.ecr.replication import Destination
from careen.settings import secret_named
from careen.upstream import address
from careen.upstream.credentials import Basic


class TargetsInvalid(Exception):
    """The file, or what it names, cannot be used. The message says where and why."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where one destination is."""

    region: str
    registry_id: str
    url: str
    """Where it speaks the distribution API: ``https://host:port``; ``http://`` is taken as it is said."""
    username: str = ""
    """Of a Careen and of Amazon ECR, an access key id; empty: nobody, or on Amazon whom AWS's tools find."""
    password: str = ""
    password_file: str = ""
    """A file with the password; relative to the file that names it."""
    password_env: str = ""
    """A variable of the environment with the password."""
    api_url: str = ""
    """Where it speaks ECR's API, if it does and is not Amazon's: for repositories to be made and tags to be deleted there."""

    @property
    def destination(self) -> Destination:
        """What rules call it."""
        return Destination(self.region, self.registry_id)


class _File(msgspec.Struct, forbid_unknown_fields=True):
    target: tuple[Target, ...] = ()


def read(path: Path) -> dict[Destination, Target]:
    """Read the file; one that is not there names no target.

    Raises:
        TargetsInvalid: it cannot be read, is not TOML, has a member that no target has, an address that is none, a destination
            twice, or more than one password.
    """
    try:
        found = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _File).target
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:  # not readable, not UTF-8, not TOML, not of this form
        raise TargetsInvalid(f"{path}: {error}") from None
    targets = dict[Destination, Target]()
    for each in found:
        _check(path, each)
        if each.destination in targets:
            raise TargetsInvalid(f"{path}: {each.destination} has two targets")
        targets[each.destination] = each
    return targets


def _check(path: Path, target: Target) -> None:
    for url in filter(None, (target.url, target.api_url)):
        try:
            address.parse(url)
        except address.InvalidAddress as error:
            raise TargetsInvalid(f"{path}: {target.destination}: {error}") from None
    if len([each for each in (target.password, target.password_file, target.password_env) if each]) > 1:
        raise TargetsInvalid(
            f"{path}: {target.destination} has more than one of password, password_file and password_env"
        )


def credential(path: Path, target: Target) -> Basic | None:
    """Who we are at a target, read anew whenever it is asked; None: the target names nobody.

    Raises:
        TargetsInvalid: the file or the variable that the target names for its password is not there.
    """
    if not target.username:
        return None
    password: str | None = target.password
    if target.password_file:
        try:
            password = (path.parent / target.password_file).read_text("utf-8").rstrip("\r\n")
        except (OSError, ValueError) as error:
            raise TargetsInvalid(f"the password of {target.destination}: {error}") from None
    elif target.password_env:
        password = secret_named(target.password_env)
    if password is None:
        raise TargetsInvalid(f"the password of {target.destination}: there is no ${target.password_env}")
    return Basic(target.username, password)
