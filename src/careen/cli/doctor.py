"""``careen doctor``: look at a registry where it runs, and say what to do."""

import os
import sys
from typing import Annotated

from cyclopts import Parameter

from careen.cli.data import load_settings
from careen.cli.output import plural, print_json

MARKS = {"OK": "ok     ", "WARNING": "WARNING", "PROBLEM": "PROBLEM"}


def doctor(
    *,
    data: Annotated[str | None, Parameter(help="The data folder.")] = None,
    deep: Annotated[
        bool, Parameter(negative="", help="Look at every blob and file; try to write to the bucket.")
    ] = False,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> None:
    """Look at settings, data folder, disk, clock, database and bytes, and say what is wrong and what to do.

    Changes nothing, and may be called beside a server that is running. Call it as the user and with the environment of the
    server. Exit status: 0 all is well, 1 there are warnings, 2 there are problems (or the settings cannot be read).
    """
    from careen.doctor import Verdict, examine

    settings = load_settings({"data": data})
    findings = list(examine(settings, os.environ, deep=deep))
    worst = max(finding.verdict for finding in findings)
    if json:
        print_json(
            {
                "verdict": worst.name.lower(),
                "findings": [
                    {
                        "check": each.check,
                        "verdict": each.verdict.name.lower(),
                        "message": each.message,
                        "advice": each.advice,
                    }
                    for each in findings
                ],
            }
        )
        sys.exit(worst)
    for each in findings:
        print(f"{MARKS[each.verdict.name]}  {each.check}: {each.message}")
        if each.advice:
            print(f"         {each.advice}")
    counts = [
        sum(each.verdict is verdict for each in findings) for verdict in (Verdict.PROBLEM, Verdict.WARNING)
    ]
    print(f"\n{plural(counts[0], 'problem')}, {plural(counts[1], 'warning')}." if worst else "\nAll is well.")
    sys.exit(worst)
