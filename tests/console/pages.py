"""Every page of the console, for tests that hold of all of them and for screenshots."""

REPOSITORY = "shop/web"

PAGES = {
    "overview": "",
    "trash": "trash",
    "trash-empty": "trash/empty",
    "activity": "activity",
    "deletions": "activity/deletions",
    "repositories": "repositories",
    "repository-new": "repositories/new",
    "repository-settings": f"repositories/{REPOSITORY}/-/settings",
    "repository-permissions": f"repositories/{REPOSITORY}/-/permissions",
    "repository-delete": f"repositories/{REPOSITORY}/-/delete",
}
"""Addresses below ``/console/`` by the names that their pictures have."""
