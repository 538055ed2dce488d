"""Every page of the console, for tests that hold of all of them and for screenshots."""

REPOSITORY = "shop/web"
PLATFORMS = "platform/base"
"""Its images are indexes, and signed."""

PAGES = {
    "repositories": "repositories",
    "images": f"repositories/{REPOSITORY}",
    "images-of-platforms": f"repositories/{PLATFORMS}",
    "images-filtered-away": f"repositories/{REPOSITORY}?search=no-such-tag",
    "image": f"repositories/{PLATFORMS}/-/images/bookworm",
    "repository-new": "repositories/new",
    "repository-settings": f"repositories/{REPOSITORY}/-/settings",
    "repository-permissions": f"repositories/{REPOSITORY}/-/permissions",
    "repository-delete": f"repositories/{REPOSITORY}/-/delete",
}
"""Addresses below ``/console/`` by the names that their pictures have."""
