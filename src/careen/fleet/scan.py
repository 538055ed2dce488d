"""Reading a fleet into an inventory.

First, side by side, every registry lists its repositories and every feed what runs; then repositories are read, some at a time, and
each is in the file as soon as it is whole. What is denied is noted with the permission it takes, and the scan goes on. What would
be otherwise a moment later (a network that is gone, credentials that ran out) ends it: whoever scans again goes on from there.

Reading a manifest is a pull to ECR: it sets ``lastRecordedPullTime``, unless the reader is among the registry's pull-time update
exclusions. A repository whose policy counts pulls is not read that far by anybody else (docs/adr/0030).
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import msgspec

from careen import durable
from careen.clock import DAY, Clock, Instant, from_datetime
from careen.fleet import clients, images, in_use, inventory, listing
from careen.fleet.errors import BadInput, Denied, FleetError, Refused
from careen.fleet.inventory import Complete, Header
from careen.fleet.manifests import Content, Manifests
from careen.fleet.progress import Progress
from careen.fleet.scanned import Image, Refusal, Repository, Scanned, Target, Use
from careen.fleet.selection import Selection
from careen.fleet.targets import Fleet
from careen.fleet.together import together
from careen.oci import media_types

RESUMED_WITHIN = DAY
"""How old a scan that was broken off may be to be gone on with: ages are told from when it began."""

_GONE = "RepositoryNotFoundException"
_PULLED = '"sinceImagePulled"'

_VALUE = TypeVar("_VALUE")


@dataclass(frozen=True, slots=True)
class Asked:
    """What to scan, and how far."""

    selection: Selection
    has_layers: bool = True
    """Whether to read the manifests of all images, for their layers, and not those of indexes alone."""
    feeds: tuple[str, ...] = in_use.AWS
    contexts: tuple[str, ...] = ()
    """Of kubeconfig: clusters to ask beside those of EKS."""
    hosts: tuple[str, ...] = ()
    """Patterns of further hosts by which workloads name the registries."""
    starts_again: bool = False
    """Whether to leave what an earlier scan has begun."""

    @property
    def looks(self) -> tuple[str, ...]:
        """Where to look for what runs, in words: a scan that looks elsewhere is another."""
        contexts = (f"{in_use.KUBERNETES}/{each}" for each in self.contexts)
        return (*self.feeds, *contexts, *(f"host/{each}" for each in self.hosts))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a scan found."""

    complete: Complete
    refusals: Sequence[Refusal]
    """The first :data:`MOST_REFUSALS` of those that it met; all are in the inventory."""
    uses: int
    resumed: int
    """Repositories that an earlier scan had read."""
    throttled: int
    """Requests that were refused for coming too fast, and made again."""


MOST_REFUSALS = 100


@dataclass
class _Scan:
    fleet: Fleet
    asked: Asked
    manifests: Manifests
    progress: Progress
    pool: ThreadPoolExecutor
    refusals: list[Refusal] = field(default_factory=list)


class _Listed(msgspec.Struct, frozen=True):
    """A repository as it is listed, and where."""

    target: Target
    repository: Repository


def scan(
    fleet: Fleet, asked: Asked, file: Path, memory: Path, *, clock: Clock, progress: Progress
) -> Outcome:
    """Read a fleet.

    Args:
        fleet: what to read.
        asked: how far.
        file: the inventory. It is replaced when the scan is complete; until then there is ``FILE.part`` beside it.
        memory: what is remembered of manifests (see :mod:`careen.fleet.manifests`).
        clock: the time, from which ages are told.
        progress: is told of every repository.

    Raises:
        FleetError: nothing could be listed, or the scan could not go on; what it has read it has kept.
    """
    part = file.with_name(file.name + ".part")
    _folders(file, memory)
    manifests = Manifests(memory)
    pool = ThreadPoolExecutor(clients.THREADS, thread_name_prefix="scan")
    try:
        return _run(_Scan(fleet, asked, manifests, progress, pool), part, file, clock)
    finally:
        pool.shutdown(cancel_futures=True)
        manifests.close()


def _folders(*files: Path) -> None:
    for each in files:
        try:
            each.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInput(f"{each.parent} cannot be made: {error.strerror}", "--state FOLDER") from None


def _run(scan: _Scan, part: Path, file: Path, clock: Clock) -> Outcome:
    with _opened(part) as out:
        now = clock()
        begun = None if scan.asked.starts_again else inventory.begun(part)
        if begun is not None and not _goes_on(begun.header, scan, now):
            begun = None
        listed, seen = _look(scan, begun)
        writer = inventory.Writer(out)
        if begun is None:
            out.truncate(0)
            uses = list(_sorted(scan, listed, seen))
            writer.head(_header(scan, now, seen), uses, scan.refusals)
            counted = _Counted(len(uses), 0, 0, len(scan.refusals))
        else:
            out.truncate(begun.length)
            counted = _Counted(begun.uses, len(begun.arns), begun.images, begun.refusals)
        done = begun.arns if begun is not None else frozenset()
        left = [each for each in listed if each.repository.arn not in done]
        scan.progress.begin("repositories", len(left))
        for scanned in together(lambda each: _repository(scan, each), left):
            if scanned is not None:
                writer.repository(scanned)
                counted.add(scanned)
                scan.refusals += scanned.refusals
            scan.progress.step(note=f"{counted.images:,} images")
        complete = Complete(clock(), counted.repositories, counted.images, counted.refusals)
        writer.complete(complete)
        part.replace(file)
        durable.sync_folder(file.parent)
    throttled = scan.fleet.throttle.refusals
    return Outcome(complete, scan.refusals[:MOST_REFUSALS], counted.uses, len(done), throttled)


def _header(scan: _Scan, now: Instant, seen: Sequence[in_use.Seen]) -> Header:
    return Header(
        inventory.VERSION,
        now,
        scan.fleet.targets,
        scan.asked.selection,
        scan.asked.has_layers,
        tuple(sorted({each.kind for each in seen})),
        scan.asked.looks,
    )


@dataclass
class _Counted:
    uses: int
    repositories: int
    images: int
    refusals: int

    def add(self, scanned: Scanned) -> None:
        self.repositories += 1
        self.images += len(scanned.images)
        self.refusals += len(scanned.refusals)


def _goes_on(header: Header, scan: _Scan, now: Instant) -> bool:
    """Whether a scan that was broken off was the same as this."""
    return (
        header.targets == scan.fleet.targets
        and header.selection == scan.asked.selection
        and header.has_layers == scan.asked.has_layers
        and header.looks == scan.asked.looks
        and 0 <= now - header.began_at < RESUMED_WITHIN
    )


@contextmanager
def _opened(part: Path) -> Iterator[BinaryIO]:
    """The file that grows, for one scan at a time."""
    try:
        opened = part.open("ab")
    except OSError as error:
        raise BadInput(f"{part} cannot be written: {error.strerror}", "--inventory FILE") from None
    with opened as out:
        try:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Since it was opened another scan may have come to its end: then this is its inventory by now.
            is_ours = part.exists() and os.path.samestat(os.fstat(out.fileno()), part.stat())
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            raise BadInput(f"another scan writes {part}", "wait for it, or --inventory FILE")
        yield out


def _look(scan: _Scan, begun: inventory.Begun | None) -> tuple[list[_Listed], list[in_use.Seen]]:
    """List every registry's repositories, and ask every feed, unless a scan that was begun has."""
    with_feeds = begun is None
    scan.refusals += scan.fleet.refusals
    scan.progress.begin("registries", len(scan.fleet.targets))
    listings = {target: scan.pool.submit(_list, scan, target) for target in scan.fleet.targets}
    looks: list[Future[in_use.Seen]] = []
    if with_feeds:
        looks += [scan.pool.submit(in_use.look_at_cluster, each) for each in scan.asked.contexts]
    listed: list[_Listed] = []
    failures: dict[Target, FleetError] = {}
    for target, answer in listings.items():
        try:
            listed += answer.result()
        except FleetError as error:
            failures[target] = error
            continue
        if with_feeds:
            looks += [
                scan.pool.submit(in_use.look, scan.fleet, target, kind)
                for kind in in_use.kinds(scan.fleet, target, scan.asked.feeds)
            ]
    _refuse(scan, failures, begun)
    scan.progress.begin("feeds", len(looks))
    seen = []
    for each in looks:
        seen.append(each.result())
        scan.refusals += seen[-1].refusals
        scan.progress.step()
    return listed, seen


def _refuse(scan: _Scan, failures: Mapping[Target, FleetError], begun: inventory.Begun | None) -> None:
    """Note the registries that could not be listed."""
    targets = scan.fleet.targets
    if len(failures) == len(targets):
        raise failures[targets[0]]
    answered = {each.account for each in targets if each not in failures}
    for target, error in failures.items():
        is_off = clients.is_as_of_a_region_that_is_off(error) and target.account in answered
        if is_off and target.region not in scan.asked.selection.regions:
            continue  # a pattern meant the Regions that there are; one that is named is expected to be there
        refused = refusal(error, target)
        if begun is not None and refused not in begun.refused:
            raise error  # the head, which is written, does not say so
        scan.refusals.append(refused)


def _ecr(scan: _Scan, target: Target) -> Any:
    return scan.fleet.client(target, "ecr", images.read_quickly)


def _list(scan: _Scan, target: Target) -> list[_Listed]:
    ecr = _ecr(scan, target)
    found = [
        _Listed(target, described(target, each))
        for page in clients.pages(ecr, "describe_repositories", PaginationConfig={"PageSize": 1000})
        for each in page["repositories"]
        if scan.asked.selection.has_repository(each["repositoryName"])
    ]
    scan.progress.step(note=f"{len(found):,} repositories in {target}")
    return found


def described(target: Target, each: dict[str, Any]) -> Repository:
    """A repository as DescribeRepositories tells of it."""
    encryption = each.get("encryptionConfiguration", {})
    return Repository(
        target.account,
        target.region,
        each["repositoryName"],
        each["repositoryArn"],
        each["repositoryUri"],
        from_datetime(each["createdAt"]),
        mutability=each.get("imageTagMutability", "MUTABLE"),
        mutability_filters=tuple(
            filtered["filter"] for filtered in each.get("imageTagMutabilityExclusionFilters", ())
        ),
        scan_on_push=each.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        encryption=encryption.get("encryptionType", "AES256"),
        kms_key=encryption.get("kmsKey"),
        account_name=target.name,
    )


def _sorted(scan: _Scan, listed: Sequence[_Listed], seen: Sequence[in_use.Seen]) -> Iterable[Use]:
    hosts: dict[str, set[Target]] = {}
    for each in listed:
        hosts.setdefault(each.repository.uri.partition("/")[0], set()).add(each.target)
    return dict.fromkeys(in_use.sort(seen, scan.fleet.targets, hosts, scan.asked.hosts))


def refusal(error: FleetError, target: Target, repository: str | None = None) -> Refusal:
    """What an error keeps from being seen.

    Args:
        error: the error.
        target: where.
        repository: of which repository; None if of all.
    """
    permission = error.permission if isinstance(error, Denied) else None
    return Refusal(error.message, target.account, target.region, repository, permission)


def _repository(scan: _Scan, listed: _Listed) -> Scanned | None:
    """Read one repository; None: it is gone, or not selected by its tags.

    Raises:
        FleetError: it cannot be read now, and may be later.
    """
    target, repository = listed.target, listed.repository
    ecr = _ecr(scan, target)
    refusals: list[Refusal] = []

    def tried(ask: Callable[[], _VALUE]) -> tuple[_VALUE | None, bool]:
        """The answer, and whether it was one: without, the refusal is noted."""
        try:
            return ask(), True
        except Refused as error:
            if error.code == _GONE or clients.is_about_keys(error):
                raise
            refusals.append(refusal(error, target, repository.name))
            return None, False

    try:
        tags, are_tags_known = tried(lambda: tags_of(ecr, repository.arn))
        if scan.asked.selection.tags and not are_tags_known:
            # Nobody knows whether it is meant. It is in the inventory with what is missing, and nothing is decided of it.
            return Scanned(repository, (), refusals=refusals, is_whole=False)
        if not scan.asked.selection.has_tags(tags or {}):
            return None
        policy, is_policy_known = tried(lambda: listing.policy(ecr, repository.name))
        found, is_whole = tried(lambda: list(images.describe(ecr, repository.name)))
        described = found or []
        counts_pulls = not is_policy_known or (policy is not None and _PULLED in policy)
        contents, _ = tried(lambda: _contents(scan, listed, described, refusals, counts_pulls=counts_pulls))
    except Refused as error:
        if error.code == _GONE:
            return None
        raise
    return Scanned(
        msgspec.structs.replace(repository, tags=tags, policy=policy, is_policy_known=is_policy_known),
        [_with(each, (contents or {}).get(each.digest)) for each in described],
        refusals=refusals,
        is_whole=is_whole,
    )


def _with(image: Image, content: Content | None) -> Image:
    if content is None:
        return image
    return msgspec.structs.replace(image, children=content.children, blobs=content.blobs)


def tags_of(ecr: Any, arn: str) -> dict[str, str]:
    """The tags of a repository."""
    answer = clients.call(ecr, "list_tags_for_resource", resourceArn=arn)
    return {each["Key"]: each.get("Value", "") for each in answer.get("tags", ())}


def _contents(
    scan: _Scan,
    listed: _Listed,
    described: Sequence[Image],
    refusals: list[Refusal],
    *,
    counts_pulls: bool,
) -> dict[str, Content]:
    """What the manifests of a repository say, as far as they may be read.

    Args:
        scan: the scan.
        listed: the repository.
        described: its images.
        refusals: where to note what may not be read.
        counts_pulls: whether its policy may go by pulls.
    """
    target, repository = listed.target, listed.repository.name
    wanted = [
        each.digest
        for each in described
        if each.media_type is None  # some servers do not say
        or each.media_type in media_types.INDEXES
        or (scan.asked.has_layers and each.media_type in media_types.IMAGE_MANIFESTS)
    ]
    found = scan.manifests.known(wanted)
    readable = {each.digest for each in described if each.status == "ACTIVE"}
    missing = [each for each in wanted if each not in found and each in readable]
    if not missing:
        return found
    if counts_pulls and not _is_excluded(scan, target):
        principal = scan.fleet.connection(target).principal
        reason = (
            f"{len(missing):,} manifests are not read: the policy may count pulls, and this would be one."
            f" Exclude the reader: aws ecr register-pull-time-update-exclusion --principal-arn {principal}"
        )
        refusals.append(Refusal(reason, target.account, target.region, repository))
        return found
    read = images.contents(_ecr(scan, target), repository, missing)
    scan.manifests.remember(read)
    return found | read


def _is_excluded(scan: _Scan, target: Target) -> bool:
    """Whether we are among those whose pulls the registry does not count."""
    principal = scan.fleet.connection(target).principal
    token: dict[str, str] = {}
    try:
        while True:
            # botocore has no paginator for this.
            answer = clients.call(_ecr(scan, target), "list_pull_time_update_exclusions", **token)
            if principal in map(_without_path, answer.get("pullTimeUpdateExclusions", ())):
                return True
            if not answer.get("nextToken"):
                return False
            token = {"nextToken": answer["nextToken"]}
    except Refused:
        return False  # denied, or a server that has no such thing: then whoever reads is counted


def _without_path(arn: str) -> str:
    """A role's ARN as STS tells it, which does not know of paths."""
    head, slash, rest = arn.partition(":role/")
    return f"{head}{slash}{rest.rpartition('/')[2]}" if slash else arn
