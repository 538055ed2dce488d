"""The commands of ``careen policy``, each imported when it is called."""

from cyclopts import App

app = App(name="policy", help="Lifecycle policies in files: check one, or see what it would do and why.")
for _command in ("validate", "simulate", "explain", "lint"):
    app.command(f"careen.cli.policy.{_command}:{_command}")
