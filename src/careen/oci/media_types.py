"""The manifest media types that Careen reads, and what each one is."""

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGE_MANIFESTS = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEXES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFESTS = IMAGE_MANIFESTS | INDEXES

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})

OCTET_STREAM = "application/octet-stream"
EMPTY_JSON = "application/vnd.oci.empty.v1+json"


def is_file_system(media_type: str) -> bool:
    """Whether a layer of this type is a change of a file system: OCI's and Docker's tars, however compressed, foreign ones too."""
    return media_type.startswith(("application/vnd.oci.image.layer.", "application/vnd.docker.image.rootfs."))


def is_foreign_layer(media_type: str) -> bool:
    """Whether layers of this type may live elsewhere than in the registry.

    Docker's foreign layers and OCI's (deprecated) non-distributable ones are licensed not to be pushed; a manifest may name
    them though the registry does not hold them (image-spec, layer.md, "Non-Distributable Layers").
    """
    return ".foreign." in media_type or ".nondistributable." in media_type
