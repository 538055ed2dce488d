"""Every mistake the linter knows. ``docs/lint.md`` is generated from it."""

from careen.lifecycle.lint.finding import Code, Severity

GUIDE = "ECR user guide, LifecyclePolicies"
PARAMETERS = "ECR user guide, lifecycle_policy_parameters"

WILDCARD_IN_PREFIX = Code(
    "wildcard-in-prefix",
    Severity.ERROR,
    "`*` in `tagPrefixList`",
    "a prefix is literal and no tag contains `*`, so the rule never identifies an image",
    f"{GUIDE}; aws/containers-roadmap#1292",
    "move the list to tagPatternList",
)
IMPOSSIBLE_ENTRY = Code(
    "impossible-entry",
    Severity.ERROR,
    "an entry of a list that no tag can meet",
    "a list asks for all of its entries, so the rule never identifies an image; regular expressions and names"
    " with a repository or `:` are the usual cause",
    "OCI distribution-spec 1.1, Pulling manifests (the grammar of tags)",
    "write the entry with letters, digits, `_`, `.`, `-` and, in a pattern, `*` for anything",
)
SHADOWED_RULE = Code(
    "shadowed-rule",
    Severity.ERROR,
    "a rule all of whose images rules of higher priority identify",
    "an image that meets the tag requirement of a rule is out of reach of all lower ones: the rule never acts",
    f"{GUIDE}; alphagov/govuk-infrastructure#765",
    "give the narrower rule the smaller rulePriority, or remove it",
)
LIST_MEANS_ALL = Code(
    "list-means-all",
    Severity.NOTE,
    "a list of several entries",
    "the rule identifies images that meet every entry, not any; people read it as or and lost images",
    f"{GUIDE}; repost.aws QUV2rouOhOTG-whm2R4KWqXw; instantdb/instant#2759",
    "for or, write one rule for each entry",
)
REDUNDANT_ENTRY = Code(
    "redundant-entry",
    Severity.NOTE,
    "an entry that every tag meets which meets another entry of the list",
    "all entries must be met, so the broader one adds nothing; often both were meant as or",
    GUIDE,
    "remove the broader entry, or write a rule for each",
)
KEEPS_LAST = Code(
    "keeps-last",
    Severity.NOTE,
    "a rule that keeps everything, with no rule after it",
    "a keep-rule works only by standing before the rules it protects from",
    f"{GUIDE}; alphagov/govuk-infrastructure#765; aws/containers-roadmap#1128",
    "give it a smaller rulePriority than the rules that expire, or remove it",
)
COUNTS_SHIELDED = Code(
    "counts-shielded",
    Severity.NOTE,
    "a count over images that belong to rules of higher priority",
    "rules count what they identify, whoever may act on it: some of the places are taken by other rules' images",
    f"{GUIDE}, example B of all images",
    "raise countNumber by what the higher rules keep, or make the lists disjoint",
)
UNTAGGED_STAYS_LONGER = Code(
    "untagged-stays-longer",
    Severity.NOTE,
    "an untagged rule with a greater age than the rule for any",
    "the untagged rule shields what it identifies: untagged images stay longer than all others",
    GUIDE,
    "lower the age of the untagged rule, or remove it and let the rule for any take them",
)
DESCRIPTION_CONTRADICTS = Code(
    "description-contradicts",
    Severity.WARNING,
    "a description whose numbers are not the rule's",
    "whoever reads the policy in an incident believes the description; ECR goes by the numbers",
    PARAMETERS,
    "make the description and countNumber agree",
)
AGE_WITHOUT_FLOOR = Code(
    "age-without-floor",
    Severity.NOTE,
    "tagged images expire by the age of their push, however few are left",
    "when nothing is pushed for a while, the image that runs is the next to go",
    "PostHog/posthog#83040; cloudnativedaysjp/dreamkast#1257; aws/containers-roadmap#1078",
    "keep a number of them (imageCountMoreThan), or let a rule before it identify what is deployed",
)
PULLS_UNSEEN = Code(
    "pulls-unseen",
    Severity.NOTE,
    "a rule by the last pull",
    "nodes and mirrors that have cached an image run it without a pull, and scanners pull what nobody runs",
    "aws/containers-roadmap#921; goharbor/harbor#15810; ECR user guide, pull-time-update-exclusions",
    "choose an age beyond the longest life of a node, and exclude scanners from pull times",
)
ARCHIVE_BELOW_BREAK_EVEN = Code(
    "archive-below-break-even",
    Severity.NOTE,
    "a rule that archives",
    "on Amazon ECR the archive costs as much as standard storage for the first 150 TB, and adds a fee for"
    " retrieval and a minimum of 90 days",
    "PointFive CER-0308; aws.amazon.com/ecr/pricing; ECR user guide, archive-image",
    "expire instead, or archive for the sake of the undo and not of the bill",
)
ARCHIVE_NEVER_EMPTIED = Code(
    "archive-never-emptied",
    Severity.NOTE,
    "a rule that archives, and none that expires what is archived",
    "archived images stay, and cost, for ever",
    "ECR user guide, lifecycle_policy_examples (archive and expire)",
    "add a rule for storageClass archive with sinceImageTransitioned",
)
MATCHES_NOTHING = Code(
    "matches-nothing",
    Severity.NOTE,
    "a rule that identifies none of these images",
    "it does nothing today; its list may be misspelt",
    GUIDE,
    "compare the list with the tags that are there",
    needs_images=True,
)
LIST_MET_IN_PART = Code(
    "list-met-in-part",
    Severity.WARNING,
    "a list of which images meet single entries, but none meets all",
    "the usual trace of a list that was meant as or",
    "repost.aws QUV2rouOhOTG-whm2R4KWqXw; instantdb/instant#2759",
    "write one rule for each entry",
    needs_images=True,
)
PATTERN_IS_EXACT = Code(
    "pattern-is-exact",
    Severity.WARNING,
    "a pattern without `*` that is no image's tag, but begins some",
    "a pattern must match the whole tag; `prod` does not match `prod-1`",
    "repost.aws QUV2rouOhOTG-whm2R4KWqXw",
    "end the pattern with *, or use tagPrefixList",
    needs_images=True,
)
PROTECTS_NOTHING = Code(
    "protects-nothing",
    Severity.WARNING,
    "a keep-rule that identifies none of these images",
    "what it was to protect is open to the rules after it; a change of tags does this without a sound",
    "METR/hawk#916",
    "make its list match the tags that are to stay",
    needs_images=True,
)
TAKEN_BEFORE_KEEP = Code(
    "taken-before-keep",
    Severity.WARNING,
    "a keep-rule some of whose images a rule of higher priority expires",
    "the rule of highest priority decides, also for an image that carries tags of both",
    f"{GUIDE}; aws/containers-roadmap#1738; aws/containers-roadmap#2568",
    "give the keep-rule the smaller rulePriority",
    needs_images=True,
)
COUNT_EATEN = Code(
    "count-eaten",
    Severity.WARNING,
    "a count all of whose places are taken by other rules' images",
    "the rule keeps nothing of its own: every image that is its to decide on goes",
    f"{GUIDE}, example B of all images; chanzuckerberg/single-cell-data-portal#5885",
    "raise countNumber, or count tags of its own instead of any",
    needs_images=True,
)
OVERLAPPING_COUNTS = Code(
    "overlapping-counts",
    Severity.NOTE,
    "images that two rules with counts and lists both identify",
    "each counts them, only the higher acts on them: neither number is how many stay",
    f"{GUIDE}, example A of multiple rules; aws/containers-roadmap#1329",
    "make the lists disjoint",
    needs_images=True,
)
REACHES_CHILDREN = Code(
    "reaches-children",
    Severity.WARNING,
    "a rule that is to take images which an index still lists",
    "they are held back, and ECR records a failure for each in every run",
    f"{GUIDE}; aws/containers-roadmap#1466; aws/containers-roadmap#1596; docker/buildx#940",
    "let the index go first, by its own tags, or raise the age beyond that of the indexes that stay",
    needs_images=True,
)
NO_PULLS_RECORDED = Code(
    "no-pulls-recorded",
    Severity.WARNING,
    "a rule by the last pull, and no pull recorded of any image it identifies",
    "an image without a recorded pull goes by its push: the rule archives by age",
    f"{GUIDE}; ECR user guide, pull-time-update-exclusions",
    "find out whether pulls come through a cache or are excluded from pull times",
    needs_images=True,
)
TAKES_MOST = Code(
    "takes-most",
    Severity.WARNING,
    "a policy that would expire half of the images or more in one run",
    "a mistake in a policy over many images cannot be called back, and the run starts within a day",
    "gitlab-org/gitlab#325429; distribution/distribution#4461",
    "look through the plan (`careen policy simulate`) before the policy is set",
    needs_images=True,
)
TAKES_USED = Code(
    "takes-used",
    Severity.WARNING,
    "images to be expired that were pulled in the last week",
    "somebody runs them, and the registry does not know who",
    "aws/containers-roadmap#1078; ministryofjustice/cloud-platform#839; PostHog/posthog#83040",
    "let a keep-rule before this one identify what is deployed, or keep more",
    needs_images=True,
)

CODES = tuple(code for code in list(vars().values()) if isinstance(code, Code))
"""All of them, in the order above."""
