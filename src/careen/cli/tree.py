"""The command tree. Commands are imported only when they are called, so that `careen policy` starts without a server."""

import sys

from cyclopts import App

from careen.cli.help import PlainHelp


def _version() -> str:
    from importlib.metadata import version

    return version("careen")


def _ended(result: object) -> object:
    """A command ends the program, with 0 if it did not say with what; one that returns something has more to be done."""
    if result is None:
        sys.stdout.flush()
        sys.exit(0)
    return result


app = App(
    name="careen",
    help="A container registry that keeps itself clean.",
    help_format="plaintext",
    help_formatter=PlainHelp(),
    version=_version,
    result_action=_ended,
)
app.command("careen.cli.serve:serve", help="Start the registry.")
app.command("careen.cli.console:console", help="Print a link that signs somebody in to the console, once.")
app.command("careen.cli.demo:demo", help="Show what Careen does, on a registry made for the show.")
app.command(
    "careen.cli.policy.app:app",
    name="policy",
    help="Lifecycle policies, on files or on a registry: check one, see what it would do and why, apply it.",
)
app.command(
    "careen.cli.lifecycle:app",
    name="lifecycle",
    help="Lifecycle policies of the registry: run now, see what runs did.",
)
app.command(
    "careen.cli.rules:app",
    name="rules",
    help="Protection rules, extension rules and default policies of a registry: show, put, delete.",
)
app.command(
    "careen.cli.trash:app",
    name="trash",
    help="Deleted images: list them, bring them back, see who deleted what and why.",
)
app.command(
    "careen.cli.storage:app",
    name="storage",
    help="Say what is stored, exact to the byte, and with history how it grew.",
)
app.command(
    "careen.cli.fleet.app:app",
    name="fleet",
    help="Repositories of many accounts and Regions, on Amazon ECR or here: what is there, one policy for all of it."
    "\n\nUses the APIs of AWS with your AWS configuration, and needs no registry of Careen's."
    " Exit status: 0 done, 1 failed, 2 bad input, 3 in part (something was denied, and is named), 4 not as expected.",
)
app.command("careen.cli.storage:gc", help="Collect what no image needs, and say how many bytes came back.")
app.command(
    "careen.cli.scrub:scrub", help="Compare everything stored with its digest; report what is damaged."
)
app.command(
    "careen.cli.nodes:nodes", help="List the nodes that share a database, and say whose clock is wrong."
)
app.command(
    "careen.cli.doctor:doctor", help="Look at a registry where it runs: say what is wrong, and what to do."
)
app.command("careen.cli.backup:backup", help="Copy the registry, while it serves.")
app.command("careen.cli.backup:restore", help="Make a registry from a backup.")
app.command(
    "careen.cli.import_:import_",
    name="import",
    help="Import images from the folder of a distribution registry (registry:2), or from OCI image layouts.",
)
app.command(
    "careen.cli.database:app", name="database", help="Where the rows are: move them to a server, or back."
)
app.command(
    "careen.cli.model:model", help="Print the folder with the model of the careen service, for AWS clients."
)
app.command("careen.cli.pulls:pulls", help="Say how often and when the images of a repository were pulled.")
app.command(
    "careen.cli.pin:app",
    name="pin",
    help="Images in use, which no policy takes: pin them, see who uses which, report what runs in clusters.",
)
app.command(
    "careen.cli.access:app",
    name="access",
    help="Permissions: say why somebody may or may not, check a policy, open again what one has shut.",
)
app.command(
    "careen.cli.events:events",
    help="Say what happened on a registry, and with --follow what happens.\n\nA line for each event, the latest last."
    " The registry is the one that the AWS configuration names.",
)
app.command(
    "careen.cli.webhook:app",
    name="webhook",
    help="Who is told of events by HTTP: add, list, test, remove; what could not be delivered."
    "\n\nThe registry is the one that the AWS configuration names.",
)
app.command(
    "careen.cli.replication:app",
    name="replication",
    help="Replication to other registries: how it stands, and what is missing.",
)
app.command(
    "careen.cli.key:app",
    name="key",
    help="Access keys: create, list, show, switch off and on, delete.\n\nWorks on the data folder, and asks no policy.",
)
app.command(
    "careen.cli.user:app",
    name="user",
    help="Users, and what they may do.\n\nWorks on the data folder, and asks no policy.",
)
app.command(
    "careen.cli.role:app",
    name="role",
    help="Roles: who may assume them, and what they may do.\n\nWorks on the data folder, and asks no policy.",
)
app.command(
    "careen.cli.provider:app",
    name="provider",
    help="OpenID Connect providers, whose tokens may assume roles.\n\nWorks on the data folder, and asks no policy.",
)
