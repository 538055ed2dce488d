"""Names: repositories, tags and digests, at the edges of their grammars."""

import hashlib

import pytest

from careen.oci import digest as digests
from careen.oci import media_types, names

REPOSITORIES = {
    "two letters": ("ab", True),
    "one letter": ("a", False),
    "empty": ("", False),
    "256 characters": ("a" * 256, True),
    "257 characters": ("a" * 257, False),
    "path": ("team/app/web", True),
    "digits first": ("0ad", True),
    "every separator": ("a.b_c__d-e---f", True),
    "three underscores": ("a___b", False),
    "two dots": ("a..b", False),
    "mixed separators": ("a.-b", False),
    "separator first": ("-ab", False),
    "separator last": ("ab-", False),
    "upper case": ("Team/app", False),
    "empty component": ("team//app", False),
    "slash first": ("/app", False),
    "slash last": ("app/", False),
    "parent folder": ("../app", False),
    "port": ("localhost:5000/app", False),
    "not ASCII": ("café", False),
    "other digits": ("٣٤", False),
    "newline last": ("app\n", False),
    "NUL": ("app\0", False),
}

TAGS = {
    "word": ("latest", True),
    "underscore first": ("_1", True),
    "every character": ("aZ0_.-", True),
    "128 characters": ("v" * 128, True),
    "129 characters": ("v" * 129, False),
    "empty": ("", False),
    "dot first": (".1", False),
    "dash first": ("-1", False),
    "slash": ("a/b", False),
    "colon": ("a:b", False),
    "space": ("a b", False),
    "newline last": ("v1\n", False),
    "not ASCII": ("é", False),
}

HEX = "0123456789abcdef"

DIGESTS = {
    "sha256": ("sha256:" + HEX * 4, True),
    "sha512": ("sha512:" + HEX * 8, True),
    "upper case": ("sha256:" + HEX.upper() * 4, False),
    "one short": ("sha256:" + HEX * 3 + HEX[:-1], False),
    "one long": ("sha256:" + HEX * 4 + "0", False),
    "sha512 with the length of sha256": ("sha512:" + HEX * 4, False),
    "unregistered algorithm": ("md5:" + HEX * 2, False),
    "no algorithm": (HEX * 4, False),
    "empty": ("", False),
    "path behind it": ("sha256:" + HEX * 4 + "/..", False),
    "newline last": ("sha256:" + HEX * 4 + "\n", False),
}


@pytest.mark.parametrize(("text", "valid"), REPOSITORIES.values(), ids=REPOSITORIES.keys())
def test_repository_names(text: str, valid: bool) -> None:
    """A repository's name is what both OCI's grammar and Amazon ECR's limits allow."""
    assert names.is_repository_name(text) is valid


@pytest.mark.parametrize(("text", "valid"), TAGS.values(), ids=TAGS.keys())
def test_tags(text: str, valid: bool) -> None:
    """A tag is a word of up to 128 characters that does not begin with a dot or a dash."""
    assert names.is_tag(text) is valid


@pytest.mark.parametrize(("text", "valid"), DIGESTS.values(), ids=DIGESTS.keys())
def test_digests(text: str, valid: bool) -> None:
    """A digest is of a registered algorithm, in lower case, of that algorithm's length."""
    assert digests.is_digest(text) is valid


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_hasher_and_digest_of_agree(algorithm: str) -> None:
    """Bytes have one digest, hashed at once or in pieces."""
    hasher = digests.hasher(algorithm)
    for piece in (b"some ", b"", b"bytes"):
        hasher.update(piece)
    digest = digests.digest_of(b"some bytes", algorithm)
    assert digest == f"{algorithm}:{hasher.hexdigest()}"
    assert digest == f"{algorithm}:{hashlib.new(algorithm, b'some bytes').hexdigest()}"
    assert digests.is_digest(digest)
    assert digests.algorithm(digest) == algorithm


def test_a_long_name_takes_no_time() -> None:
    """The grammar does not backtrack: names that almost match are refused at once."""
    for almost in ("a-" * 127 + "!", "a_" * 127 + "/", "a" * 255 + "-", "-" * 256, "a" + "-" * 254 + "!"):
        assert not names.is_repository_name(almost)


FOREIGN = {
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": True,
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": True,
    "application/vnd.oci.image.layer.v1.tar+gzip": False,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": False,
    "application/octet-stream": False,
}


@pytest.mark.parametrize(("media_type", "foreign"), FOREIGN.items())
def test_layers_that_may_live_elsewhere(media_type: str, foreign: bool) -> None:
    """Docker's foreign layers and OCI's non-distributable ones need not be here."""
    assert media_types.is_foreign_layer(media_type) is foreign
