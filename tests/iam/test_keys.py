"""Access keys and the secrets derived from the master key."""

import re

from careen.iam import keys

MASTER = bytes(range(32))


def test_an_access_key_id_has_aws_form() -> None:
    """AKIA and sixteen characters of base32, fresh each time."""
    ids = {keys.new_access_key_id() for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch(r"AKIA[A-Z2-7]{16}", key_id) for key_id in ids)


def test_a_secret_has_aws_form_and_stays_the_same() -> None:
    """Forty characters that a stored key id gives back for ever: a changed derivation would lock everyone out."""
    secret = keys.secret_access_key(MASTER, "AKIAABCDEFGHIJKLMNOP", 0)
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", secret)
    assert secret == "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"


def test_every_input_changes_the_secret() -> None:
    """Master key, key id and generation, and no two of them run together."""
    secrets = {
        keys.secret_access_key(MASTER, "AKIA1", 0),
        keys.secret_access_key(MASTER[::-1], "AKIA1", 0),
        keys.secret_access_key(MASTER, "AKIA2", 0),
        keys.secret_access_key(MASTER, "AKIA1", 1),
        keys.secret_access_key(MASTER, "AKIA", 10),
        keys.secret_access_key(MASTER, "AKIA1", 10),
    }
    assert len(secrets) == 6


def test_a_master_key_is_thirty_two_random_bytes() -> None:
    """Two of them differ."""
    assert len(keys.new_master_key()) == keys.MASTER_KEY_SIZE == 32
    assert keys.new_master_key() != keys.new_master_key()


def test_tokens_are_sealed_with_a_key_of_their_own() -> None:
    """Neither the master key nor any secret."""
    assert len(keys.token_key(MASTER)) == 32
    assert keys.token_key(MASTER) not in {MASTER, keys.token_key(MASTER[::-1])}
