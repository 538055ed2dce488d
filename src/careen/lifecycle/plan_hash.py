"""The name of what a plan does: who reviewed a plan accepts its hash, and nothing else is carried out.

The hash is over what holds and what is done, not over when it was evaluated: a plan that was reviewed an hour ago is
the same plan if it still does the same.
"""

import hashlib

import msgspec

from careen.lifecycle import extension, policy, protection
from careen.lifecycle.plan import Plan
from careen.lifecycle.protection import ProtectionRules


def plan_hash(plan: Plan) -> str:
    """``sha256:`` and the SHA-256 of compact JSON: ``[policy, extension, protection, actions]``.

    The first three are the documents as they are kept, as JSON strings; the actions are a list of ``[digest, effect,
    [tags it loses]]``, in the order they are carried out.
    """
    actions = [(decision.image.digest, decision.effect, decision.untagged) for decision in plan.acted_on]
    documents = (
        policy.canonical(plan.policy),
        extension.canonical(plan.beyond.extension),
        protection.canonical(ProtectionRules(plan.beyond.protection)),
    )
    return f"sha256:{hashlib.sha256(msgspec.json.encode((*documents, actions))).hexdigest()}"
