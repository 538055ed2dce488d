"""The commands of ``careen fleet``, each imported when it is called."""

from cyclopts import App

app = App(name="fleet")
"""Its help stands in :mod:`careen.cli.tree`, as that of all groups."""

COMMANDS = {
    "scan": "Read repositories, images and what runs into an inventory, one file.",
    "report": "Show what the fleet costs, what is wasted, and what its policies do: as text, JSON, CSV or a page.",
    "plan": "Put a policy to every repository on paper: what changes, what goes now and in 30 days, what is in use.",
    "apply": "Carry out a plan: a few repositories first, every policy written down before it is changed.",
    "rollback": "Undo what a journal of apply or clean says, where nobody has changed it since.",
    "drift": "Show the repositories whose policy is not the one of a plan, or the one that is wished; for CI.",
    "clean": "Delete what a policy marks now, through BatchDeleteImage; what runs is kept.",
    "protect": "Tag what runs, and let policies keep it: for Amazon ECR, which does not know what runs.",
    "permissions": "Print the IAM policy that a command needs, no more.",
}
"""What each is for, in the list and in its own help: whoever asks for either imports none of them."""

for _name, _help in COMMANDS.items():
    app.command(f"careen.cli.fleet.{_name}:{_name}", help=_help)
