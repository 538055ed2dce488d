"""What reads bytes that anybody may send: each parser, and the refusals that it documents."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from careen.clock import parse_instant
from careen.distribution import ranges
from careen.distribution.exchange import Exchange
from careen.ecr import arn, model, query, wire
from careen.ecr.errors import EcrError
from careen.ecrapi.operations import OPERATIONS
from careen.findings import formats
from careen.findings.report import UnreadableReport
from careen.iam import basic, oidc, policy, sigv4, tokens
from careen.iam.patterns import Pattern
from careen.iam.policy import InvalidPolicy, Kind
from careen.iamapi.app import OPERATIONS as QUERY_OPERATIONS
from careen.lifecycle import extension, protection
from careen.lifecycle import policy as lifecycle
from careen.lifecycle.extension import InvalidExtensionRules
from careen.lifecycle.policy import InvalidLifecyclePolicy
from careen.lifecycle.protection import InvalidProtectionRules
from careen.oci import digest, image_config, manifest, names, platform
from careen.oci.manifest import InvalidManifest
from careen.pins import reference
from careen.upstream import address, challenge, patience
from careen.upstream.address import InvalidAddress

CORPUS = Path(__file__).parent / "corpus"

SIZE = 1000
"""Bytes of the blob of which ranges are asked."""

NOW = parse_instant("20261126T120000Z")
"""When the requests of the corpus were signed."""

SECRET = "a-secret-for-tests-only"


class Parser(NamedTuple):
    """Something that reads bytes."""

    read: Callable[[bytes], object]
    """Reads, and checks what holds of whatever was read."""
    refusals: tuple[type[Exception], ...] = ()
    """What it says of bytes that are nothing to it."""


def _text(data: bytes) -> str:
    """As the servers have a header: any byte is a character."""
    return data.decode("latin-1")


def _utf8(data: bytes) -> str:
    """As documents arrive in JSON: any text, no lone surrogates."""
    return data.decode(errors="replace")


def _wire(data: bytes) -> object:
    """A call: the operation, a line, the body."""
    name, _, body = data.partition(b"\n")
    operation = _text(name)
    return wire.parse(model.operation(operation if operation in OPERATIONS else "PutImage"), body)


def _form(data: bytes) -> object:
    sent = query.read(data)
    service = model.iam() if sent.version == "2010-05-08" else model.sts()
    known = QUERY_OPERATIONS[service.signing_name]
    return query.parse(service.operation(sent.action if sent.action in known else next(iter(known))), sent)


def _manifest(data: bytes) -> object:
    read = manifest.parse(data)
    listed = platform.listed(data) if read.is_index else []
    assert all(digest.is_digest(each.digest) for each in (*read.blobs(), *read.children))
    return listed


def _image_config(data: bytes) -> object:
    read = image_config.read(data)
    return None if read is None else image_config.built(read)


def _lifecycle(data: bytes) -> object:
    read = lifecycle.parse(_utf8(data))
    text = lifecycle.canonical(read)
    assert lifecycle.parse(f"{text:<{lifecycle.MIN_LENGTH}}") == read
    return read


def _extension(data: bytes) -> object:
    read = extension.parse(_utf8(data))
    assert extension.parse(extension.canonical(read)) == read
    return read


def _protection(data: bytes) -> object:
    read = protection.parse(_utf8(data))
    assert protection.parse(protection.canonical(read)) == read
    return read


def _policy(kind: Kind, data: bytes) -> object:
    read = policy.parse(_utf8(data), kind)
    for statement in read.statements:
        for pattern in statement.resources:
            pattern.matches("arn:aws:ecr:eu-central-1:123456789012:repository/" + "a" * 200, {})
    return read


def _pattern(data: bytes) -> object:
    pattern = Pattern.read(_utf8(data), wildcards=True, variables=True)
    return pattern.matches("a" * 300, {"aws:username": ("alice",)})


def _signed(data: bytes) -> object:
    """A request as it is on the wire; whoever signs it, it is nobody else."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, _, target = _text(line).partition(" ")
    headers = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
    request = sigv4.Request(method, target.rpartition(" ")[0], headers, body)
    signer = sigv4.verify(
        request,
        service="ecr",
        region="eu-central-1",
        now=NOW,
        secret_for=lambda claimant: SECRET if claimant.access_key_id == "AKIATESTTESTTESTTEST" else None,
    )
    assert signer.claimant.access_key_id == "AKIATESTTESTTESTTEST"
    return signer


def _token(data: bytes) -> object:
    sent = basic.parse(_text(data))
    if sent is None:
        return None
    tokens.read(bytes(32), tokens.Authorization, sent.password, NOW)
    raise AssertionError("nobody has the key of this token")


def _range(data: bytes) -> object:
    part = ranges.wanted(_text(data), SIZE)
    assert part is None or (part.start >= 0 and part.length > 0 and part.start + part.length <= SIZE)
    return part


def _query(data: bytes) -> object:
    scope = {"method": "GET", "path": "/v2/", "headers": [], "query_string": data}
    exchange = Exchange(scope, None, None)
    return exchange.parameter("n"), exchange.parameter("last"), exchange.parameter("digest")


def _names(data: bytes) -> object:
    """Names that are taken are whole: nothing of them leads out of a folder or ends a line."""
    text = _text(data)
    if names.is_repository_name(text) or names.is_tag(text) or digest.is_digest(text):
        assert text.isascii()
        assert text.isprintable()
        assert ".." not in text.split("/")
        assert not text.startswith("/")
    return reference.parse(text)


def _arn(data: bytes) -> object:
    read = arn.parse_repository_arn(_utf8(data))
    assert str(read) == _utf8(data)
    return read


def _header(data: bytes) -> object:
    """What other registries send us."""
    text = _text(data)
    return challenge.parse([text]), patience.retry_after(text)


PARSERS: dict[str, Parser] = {
    "address": Parser(lambda data: address.parse(_utf8(data)), (InvalidAddress,)),
    "arn": Parser(_arn, (EcrError,)),
    "content-range": Parser(lambda data: ranges.sent(_text(data))),
    "extension-rules": Parser(_extension, (InvalidExtensionRules,)),
    "form": Parser(_form, (EcrError,)),
    "header": Parser(_header),
    "image-config": Parser(_image_config),
    "lifecycle-policy": Parser(_lifecycle, (InvalidLifecyclePolicy,)),
    "manifest": Parser(_manifest, (InvalidManifest,)),
    "names": Parser(_names),
    "pattern": Parser(_pattern),
    "policy": Parser(partial(_policy, Kind.IDENTITY), (InvalidPolicy,)),
    "protection-rules": Parser(_protection, (InvalidProtectionRules,)),
    "query": Parser(_query),
    "range": Parser(_range, (ranges.Unsatisfiable,)),
    "repository-policy": Parser(partial(_policy, Kind.REPOSITORY), (InvalidPolicy,)),
    "scan-report": Parser(formats.read, (UnreadableReport,)),
    "signature": Parser(_signed, (EcrError,)),
    "token": Parser(_token, (tokens.TokenInvalid, tokens.TokenExpired)),
    "trust-policy": Parser(partial(_policy, Kind.TRUST), (InvalidPolicy,)),
    "web-identity": Parser(lambda data: oidc.issuer_of(_text(data)), (EcrError,)),
    "wire": Parser(_wire, (EcrError,)),
}
"""By the name of their folder in the corpus."""


def seeds(name: str) -> list[bytes]:
    """What real clients send to a parser."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def check(name: str, data: bytes) -> object:
    """Let a parser read bytes: it reads or refuses them, and raises nothing else.

    Returns:
        What it read; None also if it refused.
    """
    parser = PARSERS[name]
    try:
        return parser.read(data)
    except parser.refusals:
        return None
