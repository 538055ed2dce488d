"""Tokens: what was sealed is read back, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careen.clock import HOUR
from careen.iam.tokens import (
    AUTHORIZATION_LIFETIME,
    Authorization,
    LayerDownload,
    RepositoryPull,
    TokenExpired,
    TokenInvalid,
    mint,
    read,
)

KEY = b"k" * 32
NOW = 1_795_000_000_000_000
CLAIM = Authorization("AIDAEXAMPLE")
LAYER = LayerDownload("team/app", "sha256:" + "0" * 64)
TOKEN = mint(KEY, CLAIM, NOW + HOUR)

fields = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(principal=fields, expires_at=st.integers(NOW + 1, 2**63 - 1))
def test_an_authorization_is_read_back(principal: str, expires_at: int) -> None:
    """Any principal, any expiry ahead."""
    token = mint(KEY, Authorization(principal), expires_at)
    assert read(KEY, Authorization, token, NOW) == Authorization(principal)


@given(repository=fields, digest=fields)
def test_a_layer_download_is_read_back(repository: str, digest: str) -> None:
    """Two fields, told apart whatever is in them."""
    token = mint(KEY, LayerDownload(repository, digest), NOW + 1)
    assert read(KEY, LayerDownload, token, NOW) == LayerDownload(repository, digest)


@given(fields)
def test_a_repository_pull_is_read_back(repository: str) -> None:
    """What a scanner is handed."""
    token = mint(KEY, RepositoryPull(repository), NOW + 1)
    assert read(KEY, RepositoryPull, token, NOW) == RepositoryPull(repository)


@given(fields)
def test_a_token_needs_no_escaping(principal: str) -> None:
    """No colon, for `docker login`; nothing a URL or a header would have to escape."""
    token = mint(KEY, Authorization(principal), NOW)
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_token_ends_at_its_expiry() -> None:
    """Good up to the instant before."""
    assert read(KEY, Authorization, TOKEN, NOW + HOUR - 1) == CLAIM
    with pytest.raises(TokenExpired):
        read(KEY, Authorization, TOKEN, NOW + HOUR)


def test_an_authorization_lives_for_twelve_hours() -> None:
    """As Amazon's do."""
    assert AUTHORIZATION_LIFETIME == 12 * HOUR


def test_a_token_of_one_kind_is_not_one_of_the_other() -> None:
    """A layer's URL does not log in, a password is no URL."""
    with pytest.raises(TokenInvalid):
        read(KEY, LayerDownload, TOKEN, NOW)
    with pytest.raises(TokenInvalid):
        read(KEY, Authorization, mint(KEY, LAYER, NOW + HOUR), NOW)


def test_a_token_of_another_registry_is_invalid() -> None:
    """Another key seals otherwise, also when its token has expired."""
    for now in (NOW, NOW + 2 * HOUR):
        with pytest.raises(TokenInvalid):
            read(b"x" * 32, Authorization, TOKEN, now)


@pytest.mark.parametrize("principal", ["a", "ab", "abc"])
def test_a_token_altered_in_any_character_is_invalid(principal: str) -> None:
    """Every position counts, the spare bits of the last character among them, at each length base64 knows."""
    token = mint(KEY, Authorization(principal), NOW + HOUR)
    for position, character in enumerate(token):
        for other in "AB-_=/+ \né":
            if other != character:
                with pytest.raises(TokenInvalid):
                    read(KEY, Authorization, token[:position] + other + token[position + 1 :], NOW)


def test_a_token_with_anything_cut_off_or_added_is_invalid() -> None:
    """Also padding, which base64 would forgive."""
    for altered in [TOKEN[:length] for length in range(len(TOKEN))] + [
        TOKEN + it for it in ("A", "=", "\n", " ")
    ]:
        with pytest.raises(TokenInvalid):
            read(KEY, Authorization, altered, NOW)


@given(st.text() | st.binary().map(lambda it: it.decode("latin-1")))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    """Whatever a client sends as a password is read or refused."""
    with pytest.raises(TokenInvalid):
        read(KEY, Authorization, text, NOW)


def test_a_field_with_the_separator_is_not_sealed() -> None:
    """It would be read back as two."""
    with pytest.raises(ValueError, match="NUL"):
        mint(KEY, LayerDownload("team\0app", "d"), NOW)
