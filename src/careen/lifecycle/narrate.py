"""An explanation in words, made when somebody asks.

kept: rule 1 (tagged v*), 2nd youngest of 3, keeps 2; so rule 2 (any) may not expire it
eligible after 2 more images that rule 1 (tagged v*) identifies, pushed or restored later than it
rule 1 (tagged v*) identifies it, v2 meets v*: 2nd youngest of 3, keeps 2. It decides: not due
rule 2 (any) identifies it: pushed 30.0 days ago, limit 14 days. It would expire it, but rule 1 (tagged v*) decides
"""

from collections.abc import Sequence

from careen.clock import DAY, Instant, isoformat
from careen.lifecycle.explain import Explanation, Finding, Miss
from careen.lifecycle.image import Image, ImageStatus
from careen.lifecycle.plan import ACTED_ON, Action
from careen.lifecycle.reason import SHORT, VERBS, keeper, label, measured, reason
from careen.lifecycle.rule import CountType

NAMED = 3
"""How many tags or digests a sentence names before it only counts."""


def narrate(explanation: Explanation) -> list[str]:
    """Sentences without full stops: the decision, when the image becomes eligible, then one for each rule."""
    findings = [finding_in_words(finding, explanation.now) for finding in explanation.findings]
    return [reason(explanation.decision, explanation.now), outlook(explanation), *findings]


def outlook(explanation: Explanation) -> str:
    """When the image becomes eligible, and what is in its way."""
    text = _when(explanation)
    if explanation.root is not explanation.decision:
        text = f"like {explanation.root.image.digest[:SHORT]}, which it follows: {text}"
    # What goes in this run goes after the indexes that list it.
    if explanation.held_by and explanation.decision.action not in ACTED_ON:
        noun = "index" if len(explanation.held_by) == 1 else "indexes"
        digests = [digest[:SHORT] for digest in explanation.held_by]
        text += f"; held back as long as {noun} {_some(digests)} {'lists' if noun == 'index' else 'list'} it"
    if explanation.protection is not None:
        text += f"; protected: {keeper(explanation.protection)}"
    return text


def finding_in_words(finding: Finding, now: Instant) -> str:
    """Does the rule identify the image, what did it measure, and what comes of that?"""
    rule, name = finding.rule, label(finding.rule)
    if finding.miss is not None:
        return f"{name} does not identify it: {_missing(finding, finding.miss)}"
    met = [f"{_some(match.tags)} {_meets(match.tags)} {_shown(match.entry)}" for match in finding.matches]
    identified = f"{name} identifies it{', ' if met else ''}{' and '.join(met)}"
    if finding.shielded_by is None:
        outcome = f"It decides: {'due' if finding.due else 'not due'}"
    elif finding.due:
        outcome = f"It would {VERBS[rule.action.type]} it, but {label(finding.shielded_by)} decides"
    else:
        outcome = f"Not due, and {label(finding.shielded_by)} decides"
    return f"{identified}: {measured(finding.alone, rule, now)}. {outcome}"


def _when(explanation: Explanation) -> str:
    root, rule, eligible_at = explanation.root, explanation.rule, explanation.eligible_at
    if rule is None or root.follows is not None:
        return f"not eligible as things are: {reason(root, explanation.now).removeprefix('kept: ')}"
    if root.action is not Action.KEEP and eligible_at is not None:
        counts = rule.selection.count_type is CountType.IMAGE_COUNT_MORE_THAN
        return "eligible now" if counts else f"eligible since {_date(eligible_at)}"
    ways = []
    if eligible_at is not None:
        tenths = (eligible_at - explanation.now) * 10 // DAY
        days = f"in {tenths // 10:,}.{tenths % 10} days"
        ways.append(f"after {_date(eligible_at)}, {days}, if nothing is pushed, pulled, tagged or deleted")
    if explanation.counting is not None and explanation.newer_needed is not None:
        count = explanation.newer_needed
        more = "1 more image" if count == 1 else f"{count:,} more images"
        by = label(explanation.counting)
        ways.append(f"after {more} that {by} identifies, pushed or restored later than it")
    if ways:
        return f"eligible {', or '.join(ways)}"
    return (
        f"not eligible as things are: {label(rule)} archives, and only what is active follows to the archive"
    )


def _date(eligible_at: Instant) -> str:
    """The last instant at which the image was or is not eligible: a round one, more often than the first."""
    try:
        return isoformat(eligible_at - 1)
    except OverflowError:
        return "the end of the calendar"


def _missing(finding: Finding, miss: Miss) -> str:
    image = finding.alone.image
    match miss:
        case Miss.FOLLOWS:
            return f"it shares the fate of {(image.subject or '')[:SHORT]}, to which it refers"
        case Miss.STORAGE_CLASS:
            return _elsewhere(image)
        case Miss.UNTAGGED:
            return "it has no tag"
        case Miss.TAGGED:
            return f"it is tagged {_some(image.tags)}"
        case Miss.UNMET:
            return f"no tag meets {' or '.join(_shown(match.entry) for match in finding.matches if not match.tags)}"


def _elsewhere(image: Image) -> str:
    if image.status == ImageStatus.ACTIVATING:
        return "it is on its way out of the archive"
    if image.storage_class is None:
        return "nobody knows since when it is archived"
    return "it is archived" if image.status == ImageStatus.ARCHIVED else "it is not archived"


def _meets(tags: Sequence[str]) -> str:
    return "meets" if len(tags) == 1 else "meet"


def _shown(entry: str) -> str:
    return entry or "the empty prefix"


def _some(names: Sequence[str]) -> str:
    """The first few names, and how many others there are."""
    if len(names) <= NAMED:
        return " and ".join(names)
    return f"{', '.join(names[:NAMED])} and {len(names) - NAMED:,} more"
