"""Every page of the console, for tests that hold of all of them and for screenshots."""

REPOSITORY = "shop/web"
PLATFORMS = "platform/base"
"""Its images are indexes, and signed."""

OPEN = {
    "gallery": "gallery",
    "gallery-repository": "gallery/hello",
    "gallery-tags": "gallery/hello/-/tags",
}
"""Those that anybody may see."""

PAGES = {
    "access-users": "access/users",
    "access-user": "access/users/alice",
    "access-user-new": "access/users/-/new",
    "access-user-delete": "access/users/alice/delete",
    "access-policy": "access/users/alice/policies/push",
    "access-policy-new": "access/users/alice/policies/new",
    "access-roles": "access/roles",
    "access-role": "access/roles/release",
    "access-explain": f"access/explain?principal=alice&action=ecr%3APutImage&resource={REPOSITORY}",
    "credentials": "credentials",
    "overview": "",
    "trash": "trash",
    "trash-empty": "trash/empty",
    "activity": "activity",
    "deletions": "activity/deletions",
    "repositories": "repositories",
    "images": f"repositories/{REPOSITORY}",
    "images-of-platforms": f"repositories/{PLATFORMS}",
    "images-filtered-away": f"repositories/{REPOSITORY}?search=no-such-tag",
    "image": f"repositories/{PLATFORMS}/-/images/bookworm",
    "repository-new": "repositories/new",
    "repository-settings": f"repositories/{REPOSITORY}/-/settings",
    "repository-permissions": f"repositories/{REPOSITORY}/-/permissions",
    "repository-rules": f"repositories/{REPOSITORY}/-/rules",
    "repository-delete": f"repositories/{REPOSITORY}/-/delete",
    "policy": f"repositories/{REPOSITORY}/-/policy",
    "policy-edit": f"repositories/{REPOSITORY}/-/policy/edit",
    "policy-run": f"repositories/{REPOSITORY}/-/policy/run",
    "policy-runs": f"repositories/{REPOSITORY}/-/runs",
    "policies-apply": "policies/apply",
    "runs": "runs",
    "rules": "rules",
    "rules-default": "rules/default",
    "cache": "cache",
    "cache-new": "cache/new",
    "cache-rule": "cache/quay/-/edit",
    "replication": "replication",
    "replication-standing": "replication/standing",
    "templates": "templates",
    "template-new": "templates/new",
    "template": "templates/web/-/edit",
    "scanning": "scanning",
    "signing": "signing",
    "pins": "pins",
    "webhooks": "webhooks",
    "webhook-new": "webhooks/new",
    "webhook": "webhooks/-/ci",
    "registry": "registry",
    "public": "public",
    "public-new": "public/new",
    "public-edit": "public/hello/-/edit",
    "public-delete": "public/hello/-/delete",
    **OPEN,
}
"""Addresses below ``/console/`` by the names that their pictures have."""
