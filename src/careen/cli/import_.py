"""``careen import``: the images of a distribution registry's folder, or of OCI image layouts."""

import asyncio
import contextlib
import dataclasses
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from careen.cli.data import opened
from careen.cli.fleet.rows import repositories
from careen.cli.fleet.shown import shown
from careen.cli.output import agrees, fail, plural, print_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from careen.importing.fault import Fault
    from careen.importing.selection import Selection
    from careen.importing.source import Source
    from careen.importing.survey import Amount, RepositorySurvey, Survey
    from careen.importing.transfer import Result
    from careen.registry.registry import Registry

INCOMPLETE = 3
"""The exit status if something was left out, or would be: all the rest is done."""

KEEP = 10
"""How many images a repository keeps under the policy of which the report says what it would do."""

SHOWN_FAULTS = 20
"""Faults in the text of the report; --json has all of them."""


def import_(
    source: Path,
    /,
    *,
    repository: Annotated[
        list[str] | None, Parameter(negative="", help="Only these, by name or pattern (`team/*`).")
    ] = None,
    prefix: str = "",
    name: str | None = None,
    tagged: Annotated[bool, Parameter(negative="")] = False,
    bring_back: Annotated[bool, Parameter(negative="")] = False,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    verify: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(negative="", help="Import without being asked.")] = False,
    data: Annotated[str | None, Parameter(help="The data folder.")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> None:
    """Import images from the folder of a distribution registry (registry:2, registry:3), or from OCI image layouts.

    Says first what is there, what is wrong with it and what nobody needs; then imports, if that is wanted. Nothing in the source is
    changed, and both registries may serve meanwhile. Started again, it imports what is new. Exit status: 0 all is here, 1 failed,
    2 bad input, 3 something was left out, and is named, 130 broken off.

    Args:
        source: A folder: with docker/registry/v2 in it, a layout, or one of layouts. Or a tar of a layout, also compressed.
        prefix: What goes before every repository's name: `old` makes `old/team/app` of `team/app`.
        name: The repository of a single layout, if that does not say it.
        tagged: Leave images behind to which no tag leads.
        bring_back: Import images, too, that were deleted here since they were pushed there.
        dry_run: Only look.
        verify: Compare every blob with its digest for the report, too; an import always does.
    """
    from careen.clock import system_now
    from careen.importing.selection import Selection
    from careen.importing.source import CannotRead
    from careen.importing.survey import keep_newest, survey

    selection = Selection(tuple(repository or ()), prefix, tagged)
    result = None
    try:
        with contextlib.ExitStack() as stack:
            registry = None if dry_run else stack.enter_context(opened(data))
            found = stack.enter_context(_source(source, name, registry))
            with shown() as progress:
                progress.begin("repositories read")
                surveyed = survey(
                    found,
                    selection,
                    keep_newest(KEEP),
                    system_now(),
                    verify=verify,
                    told=lambda _: progress.step(),
                )
            if selection.patterns and not (surveyed.repositories or surveyed.empty):
                fail(f"no repository of {source} is called {' or '.join(selection.patterns)}", code=2)
            if not json:
                print("\n".join(_report(found, surveyed, is_verified=verify)))
            if registry is not None and surveyed.images:
                if not agrees(f"Import {plural(surveyed.images, 'image')}?", yes=yes):
                    fail("nothing was imported", "give --yes, or --dry-run if the report is all you want")
                result = _import(registry, found, selection, surveyed.images, bring_back=bring_back)
    except CannotRead as error:
        fail(str(error), code=2)
    except OSError as error:
        where = f"{error.filename or source}: {error.strerror}"
        fail(where, "see who may read it, and that its disk is there")
    except KeyboardInterrupt:
        fail("broken off; what was imported stays", "the same command goes on with what is left", code=130)
    if json:
        print_json(_document(found, surveyed, result))
    elif result is not None:
        print("\n".join(_outcome(result)))
    if surveyed.faults if result is None else result.faults:
        sys.exit(INCOMPLETE)


@contextlib.contextmanager
def _source(path: Path, name: str | None, registry: "Registry | None") -> "Iterator[Source]":
    """The source, and how far it is if that takes long. What is in a compressed tar waits where the registry has room."""
    from careen.importing.opening import opened as opened_source

    has_begun = False
    scratch = tempfile.TemporaryFile if registry is None else registry.scratch
    with contextlib.ExitStack() as stack:
        with shown() as progress:

            def told(count: int) -> None:
                nonlocal has_begun
                if not has_begun:
                    progress.begin("bytes uncompressed")
                    has_begun = True
                progress.step(count)

            found = stack.enter_context(opened_source(path, name, scratch, told))
        yield found


def _import(
    registry: "Registry", source: "Source", selection: "Selection", images: int, *, bring_back: bool
) -> "Result":
    from careen.importing.transfer import transfer
    from careen.registry.trouble import trouble

    done = 0
    with shown() as progress:
        progress.begin("images", images)

        def told(result: "Result") -> None:
            nonlocal done
            now = result.images + result.present
            progress.step(now - done, f"{result.bytes:,} bytes copied")
            done = now

        try:
            return asyncio.run(transfer(registry, source, selection, told, bring_back=bring_back))
        except Exception as error:
            wrong = trouble(error)
            if wrong is None:
                raise
            fail(wrong.value, "the same command goes on with what is left")


def _report(source: "Source", found: "Survey", *, is_verified: bool) -> "Iterable[str]":
    """What a source has, for people."""
    yield f"{source.kind}, {repositories(len(found.repositories))}"
    yield ""
    yield from _table(found)
    yield ""
    yield (
        f"{plural(found.images, 'image')} with {plural(found.tags, 'tag')}, {found.bytes:,} bytes;"
        f" {found.shared:,} more if repositories shared nothing"
    )
    yield from _faults(found.faults, "would be left out")
    yield from _hygiene(found)
    yield f"push times are told by {source.times}: a copy of the folder must have kept them (cp -a, rsync -t)"
    if not is_verified:
        yield "sizes were compared, not digests: --verify reads every byte, and an import does in any case"


def _table(found: "Survey") -> "Iterable[str]":
    from careen.clock import isoformat

    rows = [("repository", "images", "tags", "untagged", "bytes", "last push")]
    for each in found.repositories:
        name = each.name if each.name == each.target else f"{each.name} → {each.target}"
        pushed = "" if each.last_pushed_at is None else isoformat(each.last_pushed_at)[:10]
        rows.append(
            (
                _plain(name),
                f"{each.images:,}",
                f"{each.tags:,}",
                f"{each.untagged:,}",
                f"{each.bytes:,}",
                pushed,
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *figures in rows:
        yield "  ".join(
            [
                first.ljust(widths[0]),
                *(each.rjust(width) for each, width in zip(figures, widths[1:], strict=True)),
            ]
        )


def _hygiene(found: "Survey") -> "Iterable[str]":
    untagged = sum(each.untagged for each in found.repositories)
    if untagged:
        yield f"{plural(untagged, 'image')} to which no tag leads: --tagged leaves them behind"
    if found.without_subject:
        yield f"{plural(found.without_subject, 'signature')} or other artifacts whose image is gone"
    if found.empty:
        yield f"{repositories(found.empty)} without an image: not made here"
    if found.unneeded is not None and found.unneeded.number:
        yield f"{_amount(found.unneeded, 'blob')} that none of these images needs: left behind"
    if found.uploads is not None and found.uploads.number:
        yield f"{_amount(found.uploads, 'upload')} that did not end: left behind"
    yield (
        f"a policy that keeps the newest {KEEP} of each repository would delete"
        f" {plural(found.would_expire.number, 'image')} and free {found.would_expire.bytes:,} bytes"
    )


def _amount(amount: "Amount", noun: str) -> str:
    return f"{plural(amount.number, noun)} of {amount.bytes:,} bytes"


def _faults(faults: "Sequence[Fault]", what: str) -> "Iterable[str]":
    if faults:
        yield f"{what} ({len(faults):,}):"
    for fault in faults[:SHOWN_FAULTS]:
        yield f"  {fault.kind:<17} {_plain(str(fault))}"
    if len(faults) > SHOWN_FAULTS:
        yield f"  and {len(faults) - SHOWN_FAULTS:,} more: --json has them all"


def _plain(text: str) -> str:
    """A text from a folder's names, fit for a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _outcome(result: "Result") -> "Iterable[str]":
    """What an import did, for people."""
    yield ""
    yield (
        f"imported {plural(result.images, 'image')} and {plural(result.tags, 'tag')};"
        f" {plural(result.present, 'image')} {'was' if result.present == 1 else 'were'} here already"
    )
    yield f"copied {plural(result.blobs, 'blob')} of {result.bytes:,} bytes; {result.linked:,} were here already"
    for repository, tag in result.newer_here:
        yield f"kept as it is here, where it was set later: {repository}:{tag}"
    for repository, digest in result.deleted_here:
        yield f"deleted here since, and not brought back (--bring-back does): {repository}@{digest}"
    yield from _faults(result.faults, "left out")


def _document(source: "Source", found: "Survey", result: "Result | None") -> dict[str, Any]:
    """The same for programs."""
    return {
        "source": {"kind": source.kind, "times": source.times},
        "repositories": [_repository(each) for each in found.repositories],
        "images": found.images,
        "tags": found.tags,
        "bytes": found.bytes,
        "shared": found.shared,
        "empty": found.empty,
        "without_subject": found.without_subject,
        "unneeded": None if found.unneeded is None else found.unneeded._asdict(),
        "uploads": None if found.uploads is None else found.uploads._asdict(),
        "keep_newest": {"number": KEEP, "would_expire": found.would_expire._asdict()},
        "faults": [dataclasses.asdict(fault) for fault in found.faults],
        "imported": None if result is None else _done(result),
    }


def _repository(surveyed: "RepositorySurvey") -> dict[str, Any]:
    from careen.clock import isoformat

    at = surveyed.last_pushed_at
    return dataclasses.asdict(surveyed) | {"last_pushed_at": None if at is None else isoformat(at)}


def _done(result: "Result") -> dict[str, Any]:
    return {
        "repositories": result.repositories,
        "images": result.images,
        "present": result.present,
        "tags": result.tags,
        "blobs": result.blobs,
        "bytes": result.bytes,
        "linked": result.linked,
        "newer_here": [{"repository": name, "tag": tag} for name, tag in result.newer_here],
        "deleted_here": [{"repository": name, "digest": digest} for name, digest in result.deleted_here],
        "faults": [dataclasses.asdict(fault) for fault in result.faults],
    }
