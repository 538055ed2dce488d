"""What the pages of administration show: a little of everything that is set for the whole registry."""

import json
import struct
import zlib

from tests.distribution.client import Client
from tests.images import image
from tests.server import Server

ABOUT = """# Hello

It **says** hello. <script>alert(1)</script> [Docs](https://example.com), ![picture](https://example.com/x.png),
[a trap](javascript:alert(1)).

| a | b |
|---|--:|
| 1 | 2 |
"""

PROTECTION = {"rules": [{"name": "releases", "anyTagPattern": ["v*", "stable"]}]}


def png() -> bytes:
    """A picture of one blue pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes([0, 30, 120, 200]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def administer(server: Server) -> None:
    """Set it."""
    careen, public = server.boto("careen"), server.boto("ecr-public")
    careen.put_protection_rules(protectionRulesText=json.dumps(PROTECTION))
    public.create_repository(
        repositoryName="hello",
        catalogData={
            "description": "Says hello, in many languages",
            "architectures": ["x86-64", "ARM 64"],
            "operatingSystems": ["Linux"],
            "logoImageBlob": png(),
            "aboutText": ABOUT,
            "usageText": "```\ndocker run hello --with an-option-that-is-rather-long --and another-one-of-the-kind\n```",
        },
    )
    configure(server)
    client = Client(server)
    for tag in ("1.0", "latest", "nightly-2026-11-26-of-a-branch-with-a-rather-long-name"):
        client.push("public/hello", image(tag), tag)


def configure(server: Server) -> None:
    """What ECR's own operations set, and a webhook that is switched off."""
    ecr, careen = server.boto(), server.boto("careen")
    ecr.create_pull_through_cache_rule(ecrRepositoryPrefix="quay", upstreamRegistryUrl="quay.io")
    ecr.create_repository_creation_template(
        prefix="web",
        description="For what the web team pushes",
        appliedFor=["CREATE_ON_PUSH", "REPLICATION"],
        imageTagMutability="IMMUTABLE_WITH_EXCLUSION",
        imageTagMutabilityExclusionFilters=[{"filterType": "WILDCARD", "filter": "latest*"}],
        resourceTags=[{"Key": "team", "Value": "web"}],
    )
    ecr.put_replication_configuration(
        replicationConfiguration={
            "rules": [
                {
                    "destinations": [{"region": "eu-west-1", "registryId": "111111111111"}],
                    "repositoryFilters": [{"filter": "public/", "filterType": "PREFIX_MATCH"}],
                }
            ]
        }
    )
    ecr.put_registry_scanning_configuration(
        scanType="BASIC",
        rules=[
            {
                "scanFrequency": "SCAN_ON_PUSH",
                "repositoryFilters": [{"filter": "scanned/*", "filterType": "WILDCARD"}],
            }
        ],
    )
    ecr.put_signing_configuration(
        signingConfiguration={
            "rules": [
                {"signingProfileArn": "arn:aws:signer:eu-west-1:111111111111:/signing-profiles/release"}
            ]
        }
    )
    ecr.register_pull_time_update_exclusion(principalArn="arn:aws:iam::111111111111:role/scanner")
    careen.report_images_in_use(source="kubernetes/prod", ttlSeconds=3600, complete=True, images=[])
    careen.put_webhook(webhookName="ci", url="https://ci.example.com/careen", enabled=False)
