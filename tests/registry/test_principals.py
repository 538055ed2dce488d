"""Principals and their keys: made, listed, shown, deleted; and the passwords that go with them."""

import dataclasses

import pytest

from careen.clock import HOUR, SECOND, system_now
from careen.iam.managed import ManagedPolicy, documents
from careen.iam.sigv4 import Claimant
from careen.iam.tokens import TokenExpired
from careen.registry import access, callers, identities, principals, sessions
from careen.registry.access import Action, Circumstances
from careen.registry.callers import Principal
from careen.registry.principals import NewKey
from careen.registry.registry import Registry, RootKey
from tests.registry.steps import dump_of

ROOT = RootKey("AKIAROOT", "the-root-secret-of-a-test")


def make(registry: Registry, name: str, policy: ManagedPolicy = ManagedPolicy.FULL_ACCESS) -> NewKey:
    """A new access key."""
    return registry.write_now(principals.create_key, registry.master_key, name, policy)


def log_in(registry: Registry, user: str, password: str) -> Principal | None:
    """Who stands behind a Basic credential."""
    return registry.read(callers.by_password, registry, user, password, system_now())


def test_a_key_opens_the_registry_as_its_principal(registry: Registry) -> None:
    """By its secret, and by a token; the principal has the policy it was made with, and an ARN of its own."""
    key = make(registry, "builder", ManagedPolicy.POWER_USER)
    principal = log_in(registry, key.access_key_id, key.secret_access_key)
    assert principal is not None
    assert (principal.name, principal.access_key_id) == ("builder", key.access_key_id)
    assert principal.policies == documents(ManagedPolicy.POWER_USER)
    assert principal.arn == f"arn:aws:iam::{registry.id}:user/builder"
    token = callers.mint_authorization(registry, principal, system_now() + HOUR)
    assert log_in(registry, "AWS", token) == principal


def test_a_second_key_belongs_to_the_same_principal(registry: Registry) -> None:
    """Its policy stays what it was; each key has a secret of its own, and each is deleted for itself."""
    first = make(registry, "builder", ManagedPolicy.PULL_ONLY)
    second = make(registry, "builder", ManagedPolicy.FULL_ACCESS)
    assert first.policies == second.policies == (ManagedPolicy.PULL_ONLY,)
    assert first.secret_access_key != second.secret_access_key
    assert [key.holder.access_key_id for key in registry.read(principals.list_keys)] == [
        first.access_key_id,
        second.access_key_id,
    ]
    assert registry.write_now(principals.delete_key, first.access_key_id)
    assert not registry.write_now(principals.delete_key, first.access_key_id)
    assert log_in(registry, first.access_key_id, first.secret_access_key) is None
    assert log_in(registry, second.access_key_id, second.secret_access_key) is not None


def test_a_secret_can_be_shown_again_and_is_stored_nowhere(registry: Registry) -> None:
    """It is derived from the master key: the same every time, and not in the database."""
    key = make(registry, "builder")
    assert registry.read(principals.reveal_key, registry.master_key, key.access_key_id) == key
    assert registry.read(principals.reveal_key, registry.master_key, "AKIANONE") is None
    stored = dump_of(registry)
    assert key.access_key_id in stored
    assert key.secret_access_key not in stored


def test_the_first_start_makes_an_administrator(registry: Registry) -> None:
    """Once: where there is a key already, none is made."""
    made = registry.write_now(principals.create_administrator, registry.master_key)
    assert made is not None
    assert (made.name, made.policies) == ("administrator", (ManagedPolicy.ADMINISTRATOR,))
    assert registry.write_now(principals.create_administrator, registry.master_key) is None


def test_the_settings_key_is_the_account_itself(registry: Registry) -> None:
    """It is stored nowhere, and needs no row."""
    rooted = dataclasses.replace(registry, root_key=ROOT)
    principal = log_in(rooted, ROOT.access_key_id, ROOT.secret_access_key)
    assert principal is not None
    assert principal.arn == f"arn:aws:iam::{registry.id}:root"
    asked = (principal, Action.DELETE_REPOSITORY, "*", Circumstances(system_now()))
    assert rooted.read(access.judge, *asked).decision.allowed
    assert (
        rooted.read(callers.secret_of, rooted, Claimant(ROOT.access_key_id), system_now())
        == ROOT.secret_access_key
    )
    assert log_in(registry, ROOT.access_key_id, ROOT.secret_access_key) is None


@pytest.mark.parametrize(
    ("user", "password"),
    [("AWS", ""), ("AWS", "nonsense"), ("", ""), ("AKIANONE", ""), ("AKIANONE", "secret"), ("ä", "ö\0")],
)
def test_nobody_else_gets_in(registry: Registry, user: str, password: str) -> None:
    """Unknown users, empty passwords, and what is no password at all."""
    make(registry, "builder")
    assert log_in(registry, user, password) is None


def test_a_token_ends_with_its_time_and_with_its_key(registry: Registry) -> None:
    """Expired it says so, which clients show; without its key it is nobody's."""
    key = make(registry, "builder")
    principal = log_in(registry, key.access_key_id, key.secret_access_key)
    assert principal is not None
    with pytest.raises(TokenExpired):
        log_in(registry, "AWS", callers.mint_authorization(registry, principal, system_now()))
    token = callers.mint_authorization(registry, principal, system_now() + HOUR)
    registry.write_now(principals.delete_key, key.access_key_id)
    assert log_in(registry, "AWS", token) is None


def test_a_download_grant_is_for_one_blob_and_one_purpose(registry: Registry) -> None:
    """Not for another blob, repository or registry, not for longer, and not as a password."""
    later = system_now() + HOUR
    token = callers.mint_download(registry, "team/app", "sha256:one", later)
    stranger = dataclasses.replace(registry, master_key=bytes(32))
    assert callers.grants_download(registry, token, "team/app", "sha256:one", later - 1)
    for by, repository, digest, now in (
        (registry, "team/app", "sha256:two", later - 1),
        (registry, "team/other", "sha256:one", later - 1),
        (registry, "team/app", "sha256:one", later),
        (stranger, "team/app", "sha256:one", later - 1),
    ):
        assert not callers.grants_download(by, token, repository, digest, now)
    assert log_in(registry, "AWS", token) is None


def test_who_has_assumed_a_role_is_known_by_it(registry: Registry) -> None:
    """Whatever the session is called: for pulls that shall not count, and for who asks why somebody may not."""
    role_arn = f"arn:aws:iam::{registry.id}:role/team/deploy"
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}]}'
    )
    role = registry.write_now(identities.create_role, "deploy", trust, path="/team/")
    found = registry.read(callers.principal_called, registry, role_arn)
    assert found is not None
    assert (found.identity_arn, found.caller.role_arn) == (role_arn, role_arn)
    assert found.arn == f"arn:aws:sts::{registry.id}:assumed-role/deploy/some-session"
    assert found.user_id == f"{role.unique_id}:some-session"
    told = f"arn:aws:sts::{registry.id}:assumed-role/deploy/release-7"
    found = registry.read(callers.principal_called, registry, told)
    assert found is not None
    assert (found.arn, found.identity_arn) == (told, role_arn)
    for nobody in ("deploy", told.removesuffix("release-7"), told.replace("deploy", "gone")):
        assert registry.read(callers.principal_called, registry, nobody) is None
    assert (
        registry.read(callers.principal_called, registry, f"arn:aws:iam::{registry.id}:role/deploy") is None
    )


def test_temporary_credentials_end_with_their_time(registry: Registry) -> None:
    """Both as a signer and as a password; by the system's clock."""
    key = make(registry, "builder")
    principal = log_in(registry, key.access_key_id, key.secret_access_key)
    assert principal is not None
    now = system_now()
    made = registry.read(sessions.own, registry, principal, 900, now)
    claimant = Claimant(made.access_key_id, made.session_token)
    later = made.expires_at
    assert later == now + 900 * SECOND
    acting = registry.read(callers.caller_of, registry, claimant, later - 1)
    assert acting is not None
    assert (acting.arn, acting.expires_at) == (principal.arn, later)
    password = callers.mint_authorization(registry, acting, later + HOUR)
    assert registry.read(callers.by_password, registry, "AWS", password, later - 1) == acting
    for read in (
        lambda: registry.read(callers.secret_of, registry, claimant, later),
        lambda: registry.read(callers.caller_of, registry, claimant, later),
        lambda: registry.read(callers.by_password, registry, "AWS", password, later),
    ):
        with pytest.raises(TokenExpired):
            read()
