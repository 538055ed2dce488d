"""The commands of ``careen policy``, each imported when it is called."""

from cyclopts import App

app = App(
    name="policy",
    help="Lifecycle policies, on files or on a registry: check one, see what it would do and why, apply it.",
)

COMMANDS = {
    "validate": "Check a policy as Amazon ECR would. Exits 2, with ECR's message, if ECR would refuse it.",
    "lint": "Find mistakes in a policy that Amazon ECR accepts. Exits 1 if there are errors.",
    "simulate": "Show what a policy would do to images, and why.",
    "explain": "Say why an image stays or goes, and from when it may go.",
    "diff": "Show what changes if a policy replaces another. Exits 1 if too much would go unseen.",
    "forecast": "Show what a policy will have done in a month, day by day.",
    "apply": "Set a registry's policy and run it: what was reviewed, or nothing.",
    "images": "Save a repository's images, Amazon's or a registry's, for the other commands.",
    "test": "Test policies: these images stay, these go, by this rule. Exits 1 if one is otherwise.",
    "fixture": "Save images and today's outcome as a test.",
}
"""What each is for, in the list and in its own help: whoever asks for either imports none of them."""

for _name, _help in COMMANDS.items():
    app.command(f"careen.cli.policy.{_name}:{_name}", help=_help)
