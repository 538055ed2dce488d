"""What a policy would do: to which images, by which rule, why; what is newly lost or saved; and the next thirty days.

All of it is asked of the operations that clients have. What the caller may not ask is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from careen import charts
from careen.charts import Series, Svg, Unit
from careen.console.visit import Visit
from careen.ecr.errors import LifecyclePolicyNotFound
from careen.lifecycle.forecast import DAYS
from careen.lifecycle.plan import ACTED_ON

PAGE = 25
"""Images of a list."""

NAMED = 5
"""Images of what a change dooms or saves, and risks, that are named."""

KEEP_ALL = (
    '{"rules":[{"rulePriority":1,"description":"keep everything","selection":{"tagStatus":"any",'
    '"countType":"imageCountMoreThan","countNumber":2147483647},"action":{"type":"expire"}}]}'
)
"""What holds where nothing does: a forecast needs a policy to compare with."""

Answer = dict[str, Any]


@dataclass(frozen=True)
class Preview:
    """What a policy would do now."""

    plan: Answer
    """As SimulateLifecyclePolicy has it, with the first images that something happens to."""
    difference: Answer | None
    """As DiffLifecyclePolicy has it; None: there is nothing to compare with, or it may not be asked."""
    findings: Sequence[Answer]
    """As LintLifecyclePolicy has them."""

    @property
    def going(self) -> list[Answer]:
        """What decides on images that something happens to."""
        return [each for each in self.plan["deciders"] if each["action"] in ACTED_ON]

    @property
    def held(self) -> list[Answer]:
        """What decides on images that a rule marks, and something holds."""
        return [each for each in self.plan["deciders"] if each["action"] in {"BLOCKED", "PROTECTED"}]

    @property
    def images(self) -> int:
        """How many images something happens to."""
        return sum(each["images"] for each in self.going)

    @property
    def breaches(self) -> list[Answer]:
        """The limits that the plan exceeds: what it takes a typed name to do."""
        return [] if self.difference is None else self.difference["breaches"]

    @property
    def plan_hash(self) -> str:
        """The name of what is shown."""
        found: str = self.plan["planHash"]
        return found


@dataclass(frozen=True)
class Outlook:
    """The next days with a policy, and as things are."""

    forecast: Answer
    """With the policy, as ForecastLifecyclePolicy has it."""
    before: Answer
    """The same as things are: by what holds, or with nothing deleted."""
    sizes: Svg
    images: Svg

    @property
    def days(self) -> list[tuple[Answer, Answer]]:
        """Day by day: with the policy, and as things are."""
        return list(zip(self.forecast["days"], self.before["days"], strict=True))


async def look(visit: Visit, name: str, text: str | None, after: str | None = None) -> Preview | None:
    """What a policy would do to a repository now; None: the visitor may not ask.

    Args:
        visit: this one.
        name: the repository's.
        text: the policy; None: whatever holds.
        after: where the last page of images ended.

    Raises:
        careen.ecr.errors.EcrError: as the operations do.
    """
    if not visit.may("SimulateLifecyclePolicy", name, "careen"):
        return None
    policy = {"repositoryName": name, "lifecyclePolicyText": text}
    plan = await visit.ask(
        "SimulateLifecyclePolicy",
        "careen",
        **policy,
        filter={"actions": sorted(ACTED_ON)},
        maxResults=PAGE,
        nextToken=after or None,
    )
    difference, findings = None, []
    if text is not None and visit.may("DiffLifecyclePolicy", name, "careen"):
        difference = await visit.ask("DiffLifecyclePolicy", "careen", **policy, maxResults=NAMED)
    if text is not None and visit.may("LintLifecyclePolicy", name, "careen"):
        findings = (await visit.ask("LintLifecyclePolicy", "careen", **policy))["findings"]
    return Preview(plan, difference, findings)


async def look_ahead(visit: Visit, name: str, text: str | None) -> Outlook | None:
    """The next thirty days, with pushes going on as they did; None: the visitor may not ask.

    Args:
        visit: this one.
        name: the repository's.
        text: the policy; None: whatever holds.

    Raises:
        careen.ecr.errors.EcrError: as the operation does.
    """
    if not visit.may("ForecastLifecyclePolicy", name, "careen"):
        return None
    asked = {"repositoryName": name, "days": DAYS, "replay": True}
    forecast = await visit.ask("ForecastLifecyclePolicy", "careen", **asked, lifecyclePolicyText=text)
    nothing = {"lifecyclePolicyText": KEEP_ALL}
    if text is None:
        before = await visit.ask("ForecastLifecyclePolicy", "careen", **asked, **nothing)
    else:
        try:
            before = await visit.ask("ForecastLifecyclePolicy", "careen", **asked)
        except LifecyclePolicyNotFound:
            before = await visit.ask("ForecastLifecyclePolicy", "careen", **asked, **nothing)
    days, others = forecast["days"], before["days"]
    times = [day["at"] for day in days]

    def drawn(title: str, member: str, unit: Unit) -> Svg:
        series = [
            Series("with this policy", [day[member] for day in days]),
            Series("as things are" if text is not None else "without it", [day[member] for day in others], 5),
        ]
        return charts.fitted(lambda width: charts.lines(times, series, title=title, unit=unit, width=width))

    return Outlook(
        forecast,
        before,
        sizes=drawn("Storage in the next 30 days", "storedBytes", Unit.BYTES),
        images=drawn("Images in the next 30 days", "storedImages", Unit.COUNT),
    )
