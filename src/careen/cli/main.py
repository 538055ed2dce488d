"""The command tree. Commands are imported only when they are called, so that `careen policy` starts without a server."""

from importlib.metadata import version

from cyclopts import App

app = App(
    name="careen", help="A container registry that keeps itself clean.", version=lambda: version("careen")
)
app.command("careen.cli.serve:serve")
app.command("careen.cli.demo:demo")
app.command("careen.cli.policy:app", name="policy")
app.command("careen.cli.lifecycle:app", name="lifecycle")
app.command("careen.cli.storage:storage")
app.command("careen.cli.storage:gc")
app.command("careen.cli.key:app", name="key")


def main() -> None:
    """The ``careen`` program."""
    app()
