"""What stands beside a lifecycle policy when a repository's images are decided on: Careen's own documents.

Whoever evaluates a policy hands them on as one value; ``NOTHING`` is Amazon ECR.
"""

from typing import Final

import msgspec

from careen.lifecycle.extension import ExtensionRules
from careen.lifecycle.protection import ProtectionRule


class Beyond(msgspec.Struct, frozen=True):
    """Rules beyond ECR that hold for one repository."""

    extension: ExtensionRules = ExtensionRules()
    """Act on more images than the policy does."""
    protection: tuple[ProtectionRule, ...] = ()
    """Keep images that the policy or the extension would act on; of the repository's document and the registry's."""


NOTHING: Final = Beyond()
