"""The commands of ``careen policy``, each imported when it is called."""

from cyclopts import App

app = App(
    name="policy",
    help="Lifecycle policies, on files or on a registry: check one, see what it would do and why, apply it.",
)
for _command in (
    "validate",
    "lint",
    "simulate",
    "explain",
    "diff",
    "forecast",
    "apply",
    "images",
    "test",
    "fixture",
):
    app.command(f"careen.cli.policy.{_command}:{_command}")
