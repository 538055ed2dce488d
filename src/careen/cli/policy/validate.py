"""``careen policy validate``."""

from careen.cli.output import plural, print_json
from careen.cli.policy.inputs import Json, PolicyFile, read_policy


def validate(*, policy: PolicyFile, json: Json = False) -> None:
    """Check a policy as Amazon ECR would. Exits 2, with ECR's message, if ECR would refuse it."""
    from careen.lifecycle.policy import canonical

    parsed = read_policy(policy, json)
    if json:
        print_json({"valid": True, "rules": len(parsed.rules), "lifecyclePolicyText": canonical(parsed)})
    else:
        print(f"valid: {plural(len(parsed.rules), 'rule')}")
