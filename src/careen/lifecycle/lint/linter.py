"""All checks together."""

from collections.abc import Sequence

from careen.clock import Instant
from careen.lifecycle.image import Image
from careen.lifecycle.lint.finding import Finding, Severity
from careen.lifecycle.lint.images import lint_images
from careen.lifecycle.lint.text import lint_text
from careen.lifecycle.policy import LifecyclePolicy

_ORDER = list(Severity)


def lint(policy: LifecyclePolicy, images: Sequence[Image] | None, now: Instant) -> tuple[Finding, ...]:
    """Find mistakes in a policy that ECR accepts.

    Args:
        policy: rules that ``policy.parse`` accepts.
        images: of the repository it is for, each digest once; None leaves out the checks that need them.
        now: ages are measured against this instant.

    Returns:
        The worst first, then by rule; what concerns the whole policy comes before its rules.
    """
    findings = [*lint_text(policy), *(lint_images(policy, images, now) if images is not None else ())]
    findings.sort(key=lambda one: (_ORDER.index(one.severity), one.rule_priority or 0, one.code))
    return tuple(findings)
