"""Every page of the console, for tests that hold of all of them and for screenshots."""

REPOSITORY = "shop/web"

PAGES = {
    "repositories": "repositories",
    "repository-new": "repositories/new",
    "repository-settings": f"repositories/{REPOSITORY}/-/settings",
    "repository-permissions": f"repositories/{REPOSITORY}/-/permissions",
    "repository-delete": f"repositories/{REPOSITORY}/-/delete",
    "policy": f"repositories/{REPOSITORY}/-/policy",
    "policy-edit": f"repositories/{REPOSITORY}/-/policy/edit",
    "policy-run": f"repositories/{REPOSITORY}/-/policy/run",
    "policy-runs": f"repositories/{REPOSITORY}/-/runs",
    "policies-apply": "policies/apply",
    "runs": "runs",
}
"""Addresses below ``/console/`` by the names that their pictures have."""
