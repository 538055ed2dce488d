"""`careen fleet apply`, `rollback` and `drift`: in Amazon's cloud (moto), killed and denied and throttled, and on Careen."""

import gzip
import json
import os
import pty
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from moto.ecr.models import ecr_backends

from careen.fleet import clients, journal, plan, rollback
from careen.fleet.keep_rule import with_keep_rule
from careen.fleet.scanned import Target
from careen.lifecycle import policy as policies
from tests import program
from tests.ecrapi.client import push
from tests.fleet.amazon import ACCOUNT, REGION, Amazon
from tests.fleet.amazon import repository as made
from tests.fleet.conftest import Run
from tests.images import image
from tests.server import Server, clean_environment

NAMES = tuple(f"team/{each}" for each in "abcdef")


def keeping(number: int, **selection: Any) -> str:
    """A policy that keeps so many images; none of those here go."""
    chosen = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": number} | selection
    rule = {"rulePriority": 1, "selection": chosen, "action": {"type": "expire"}}
    return policies.canonical(policies.parse(json.dumps({"rules": [rule]}).ljust(100)))


OLD, NEW, OTHER = keeping(100), keeping(50), keeping(70)


@pytest.fixture
def team(amazon: Amazon, fleet: Run, tmp_path: Path) -> Any:
    """Six repositories, of which the first has no policy, scanned; and a plan that gives all the new one. Returns a client."""
    ecr = amazon.boto("ecr")
    for name in NAMES:
        made(ecr, name, "v1")
        if name != NAMES[0]:
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=OLD)
    (tmp_path / "policy.json").write_text(NEW)
    assert fleet("scan", "--in-use", "none").returncode == 0
    assert fleet("plan", "--policy", "policy.json").returncode == 0
    amazon.asked.clear()
    return ecr


def policies_of(ecr: Any, *names: str) -> dict[str, str | None]:
    """The policies of repositories, in Amazon's words."""

    def one(name: str) -> str | None:
        try:
            text: str = ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]
        except ecr.exceptions.LifecyclePolicyNotFoundException:
            return None
        return policies.canonical(policies.parse(text))

    return {name: one(name) for name in names or NAMES}


BEFORE: Mapping[str, str | None] = {name: None if name == NAMES[0] else OLD for name in NAMES}
AFTER: Mapping[str, str | None] = dict.fromkeys(NAMES, NEW)


def journal_of(done: "subprocess.CompletedProcess[str]") -> str:
    """The journal that a command names."""
    return done.stdout.rpartition("journal: ")[2].strip()


def test_nothing_is_done_unless_somebody_wants_it(team: Any, fleet: Run) -> None:
    """Without --yes and without a terminal it is said what would be done."""
    done = fleet("apply")
    assert done.returncode == 0, done.stderr
    assert "6 repositories to do" in done.stdout
    assert "nothing is done: --yes does it" in done.stdout
    assert policies_of(team) == BEFORE


def test_there_and_back(team: Any, amazon: Amazon, fleet: Run, tmp_path: Path) -> None:
    """All get the policy, each is written down; again there is nothing to do; rolled back, all have what they had."""
    done = fleet("apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert policies_of(team) == AFTER
    written = journal.read(tmp_path / journal_of(done))
    assert written.is_ended
    assert {each.repository: each.do for each in written.deeds.values()} == {
        name: journal.PutPolicy(BEFORE[name], NEW) for name in NAMES
    }
    amazon.asked.clear()
    again = fleet("apply", "--yes")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "6 repositories there already")
    assert amazon.asked["ecr:PutLifecyclePolicy"] == 0
    asked = fleet("rollback", journal_of(done))
    assert "6 repositories to put back: --yes does it" in asked.stdout
    back = fleet("rollback", journal_of(done), "--yes")
    assert back.returncode == 0, back.stderr
    assert "6 policies are as before" in back.stdout
    assert policies_of(team) == BEFORE
    assert fleet("rollback", journal_of(done), "--yes").returncode == 0


def tag(ecr: Any, name: str, key: str, value: str) -> None:
    """Tag a repository."""
    arn = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]["repositoryArn"]
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": key, "Value": value}])


def test_a_part_there_and_a_part_back(team: Any, fleet: Run) -> None:
    """What is selected, by name or by the tags that repositories have now, is all that is changed, and all that is put back."""
    tag(team, NAMES[1], "owner", "shop")
    tag(team, NAMES[2], "owner", "shop")
    some = dict.fromkeys((NAMES[1], NAMES[2]), NEW)
    done = fleet("apply", "--yes", "--tag", "owner=shop")
    assert (done.returncode, "2 repositories changed, 0 left" in done.stdout) == (0, True), done.stderr
    assert policies_of(team) == {**BEFORE, **some}
    tag(team, NAMES[2], "owner", "bank")
    asked = fleet("rollback", journal_of(done), "--tag", "owner=shop")
    assert "1 repository to put back: --yes does it" in asked.stdout
    assert fleet("rollback", journal_of(done), "--yes", "--repository", NAMES[1]).returncode == 0
    assert policies_of(team) == {**BEFORE, NAMES[2]: NEW}
    rest = fleet("apply", "--yes")
    assert rest.stdout.splitlines()[:2] == ["5 repositories to do", "1 repository there already"]
    assert policies_of(team) == AFTER


def test_a_part_in_which_nothing_has_changed(team: Any, amazon: Amazon, fleet: Run) -> None:
    """What has changed elsewhere, and who owns it, is nobody's business here; a part without a repository is refused."""
    team.put_lifecycle_policy(repositoryName=NAMES[1], lifecyclePolicyText=OTHER)
    team.delete_repository(repositoryName=NAMES[2], force=True)
    assert fleet("apply", "--yes", "--repository", f"!{NAMES[1]}", "--tag", "owner").returncode == 2
    refused = fleet("apply", "--yes", "--region", "mars-1")
    assert (refused.returncode, "no repository that is selected" in refused.stderr) == (2, True)
    amazon.asked.clear()
    done = fleet("apply", "--yes", "--repository", NAMES[3])
    assert done.returncode == 0, done.stderr
    assert policies_of(team, NAMES[3], NAMES[4]) == {NAMES[3]: NEW, NAMES[4]: OLD}


def test_a_part_is_gone_on_with_as_a_part(team: Any, amazon: Amazon, fleet: Run, tmp_path: Path) -> None:
    """One that failed has a journal of its own, which neither the whole nor another part goes on with."""
    amazon.deny("ecr:PutLifecyclePolicy", about=NAMES[1])
    assert fleet("apply", "--yes", "--repository", NAMES[1]).returncode == 1
    [begun] = (tmp_path / "careen-fleet" / "journals").iterdir()
    assert not journal.read(begun).is_ended
    amazon.rule = lambda *_: None
    assert fleet("apply", "--yes", "--repository", NAMES[2]).returncode == 0
    assert not journal.read(begun).is_ended
    assert fleet("apply", "--yes", "--repository", NAMES[1]).returncode == 0
    assert journal.read(begun).is_ended
    assert policies_of(team, *NAMES[1:4]) == {NAMES[1]: NEW, NAMES[2]: NEW, NAMES[3]: OLD}


def test_a_world_that_changed(team: Any, fleet: Run) -> None:
    """One policy is another, one repository is gone: both are named, and nothing is done, unless they are to be left out."""
    team.put_lifecycle_policy(repositoryName=NAMES[1], lifecyclePolicyText=OTHER)
    team.delete_repository(repositoryName=NAMES[2], force=True)
    done = fleet("apply", "--yes")
    assert done.returncode == 4
    assert f"{ACCOUNT}/{REGION}/{NAMES[1]}: it has another policy" in done.stderr
    assert f"{ACCOUNT}/{REGION}/{NAMES[2]}: it is gone" in done.stderr
    assert "error: 2 repositories changed since the plan" in done.stderr
    assert policies_of(team, *NAMES[3:]) == dict.fromkeys(NAMES[3:], OLD)
    skipped = fleet("apply", "--yes", "--skip-changed")
    assert skipped.returncode == 3
    assert policies_of(team, NAMES[1], *NAMES[3:]) == {NAMES[1]: OTHER} | dict.fromkeys(NAMES[3:], NEW)


def test_rolling_back_what_somebody_changed(team: Any, fleet: Run) -> None:
    """Theirs stays, and is named; the others are as before."""
    done = fleet("apply", "--yes")
    team.put_lifecycle_policy(repositoryName=NAMES[1], lifecyclePolicyText=OTHER)
    back = fleet("rollback", journal_of(done), "--yes")
    assert back.returncode == 3
    assert f"{NAMES[1]}: not done: its policy is another by now, and stays" in back.stderr
    assert policies_of(team) == {**BEFORE, NAMES[1]: OTHER}


def test_a_plan_that_somebody_edited(team: Any, fleet: Run, tmp_path: Path) -> None:
    """Is none."""
    file = tmp_path / "careen-fleet" / "plan.jsonl.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes()).replace(b"50", b"5 ")))
    done = fleet("apply", "--yes")
    assert done.returncode == 2
    assert policies_of(team) == BEFORE


def test_other_accounts_credentials(team: Any, amazon: Amazon, fleet: Run) -> None:
    """Do not carry out a plan; it is said where they lead."""
    other = amazon.boto("sts").assume_role(RoleArn="arn:aws:iam::999999999999:role/r", RoleSessionName="me")
    key = other["Credentials"]
    done = fleet(
        "apply",
        "--yes",
        AWS_ACCESS_KEY_ID=key["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"],
        AWS_SESSION_TOKEN=key["SessionToken"],
    )
    assert done.returncode == 4
    assert f"the plan is for account {ACCOUNT}, and the credentials lead to 999999999999" in done.stderr
    assert policies_of(team) == BEFORE


def test_a_canary_that_dies(team: Any, amazon: Amazon, fleet: Run, tmp_path: Path) -> None:
    """Where one of the first fails nothing else is touched; the same command goes on when it is mended."""
    first, second, *_ = plan.read(tmp_path / "careen-fleet" / "plan.jsonl.gz").changes
    amazon.deny("ecr:PutLifecyclePolicy", about=first.name)
    done = fleet("apply", "--yes", "--canary", "2")
    assert done.returncode == 3
    assert "not done: ecr:PutLifecyclePolicy: AccessDeniedException" in done.stderr
    assert "(allow ecr:PutLifecyclePolicy)" in done.stderr
    assert policies_of(team) == {**BEFORE, second.name: NEW}
    amazon.rule = lambda *_: None
    assert fleet("apply", "--yes").returncode == 0
    assert policies_of(team) == AFTER


def test_denied_to_a_part(team: Any, amazon: Amazon, fleet: Run) -> None:
    """One repository may not even be asked: it is named, and the others are done."""
    amazon.deny("ecr:GetLifecyclePolicy", about=NAMES[5])
    done = fleet("apply", "--yes", "--json")
    assert done.returncode == 3
    states = {each["repository"]: each["state"] for each in json.loads(done.stdout)["repositories"]}
    assert states == dict.fromkeys(NAMES, "DONE") | {NAMES[5]: "UNKNOWN"}
    amazon.rule = lambda *_: None
    assert policies_of(team) == {**AFTER, NAMES[5]: OLD}


def test_throttled(team: Any, amazon: Amazon, fleet: Run) -> None:
    """Calls that come too fast are made again."""
    amazon.every(4)
    done = fleet("apply", "--yes")
    amazon.rule = lambda *_: None
    assert done.returncode == 0, done.stderr
    assert policies_of(team) == AFTER


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "not done"])
def test_killed(is_done: bool, team: Any, amazon: Amazon, fleet: Run, tmp_path: Path) -> None:
    """Killed while the fifth policy is put, which was put or not: the same command goes on, and all can be rolled back."""
    puts = 0
    killed: list[subprocess.Popen[bytes]] = []

    def rule(operation: str, _region: str, _body: str) -> str | None:
        nonlocal puts
        puts += operation == "ecr:PutLifecyclePolicy"
        if puts >= 5 and operation == "ecr:PutLifecyclePolicy":
            os.kill(killed[0].pid, signal.SIGKILL)
            killed[0].wait()
            return None if is_done else "AccessDeniedException"
        return None

    amazon.rule = rule
    command = [*program.COMMAND, "fleet", "apply", "--yes", "--canary", "4"]
    environment = clean_environment() | amazon.environment()
    killed.append(subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL))
    assert killed[0].wait(120) == -signal.SIGKILL
    amazon.rule = lambda *_: None
    [path] = (tmp_path / "careen-fleet" / "journals").iterdir()
    assert not journal.read(path).is_ended
    done = fleet("apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert policies_of(team) == AFTER
    assert journal.read(path).is_ended
    assert fleet("rollback", str(path), "--yes").returncode == 0
    assert policies_of(team) == BEFORE


def test_a_person_at_a_terminal(team: Any, amazon: Amazon, tmp_path: Path) -> None:
    """Is asked twice: before the first few, and before the others."""
    terminal, line = pty.openpty()
    command = [*program.COMMAND, "fleet", "apply", "--canary", "2"]
    environment = clean_environment() | amazon.environment()
    os.write(terminal, b"y\nn\n")
    done = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        stdin=line,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(terminal)
    os.close(line)
    assert done.returncode == 0, done.stderr
    assert "Change the policies of 2 repositories first, then of 4 others? [y/N]" in done.stderr
    assert "2 repositories done. Go on with 4 others? [y/N]" in done.stderr
    assert sum(text == NEW for text in policies_of(team).values()) == 2


def test_what_must_be_reviewed(amazon: Amazon, fleet: Run, tmp_path: Path) -> None:
    """A plan that takes most of a repository is carried out by whoever names its hash."""
    ecr = amazon.boto("ecr")
    made(ecr, "shop/api", *(f"v{number}" for number in range(8)))
    (tmp_path / "policy.json").write_text(keeping(1))
    fleet("scan", "--in-use", "none")
    fleet("plan", "--policy", "policy.json")
    done = fleet("apply", "--yes")
    assert done.returncode == 4
    assert "shop/api: 7 of 8 images would be deleted, 88%" in done.stderr
    hash_ = plan.read(tmp_path / "careen-fleet" / "plan.jsonl.gz").hash
    assert f"--accept {hash_}" in done.stderr
    assert fleet("apply", "--yes", "--accept", "sha256:another").returncode == 4
    assert fleet("apply", "--yes", "--accept", hash_).returncode == 0
    assert policies_of(ecr, "shop/api") == {"shop/api": keeping(1)}


def test_drift_from_a_plan(team: Any, fleet: Run) -> None:
    """None after it was applied; what somebody changed is shown rule by rule, and ends with status 4."""
    assert fleet("drift").returncode == 4
    fleet("apply", "--yes")
    assert fleet("drift").returncode == 0
    team.put_lifecycle_policy(repositoryName=NAMES[1], lifecyclePolicyText=OTHER)
    team.delete_lifecycle_policy(repositoryName=NAMES[2])
    done = fleet("drift")
    assert done.returncode == 4
    assert f"{NAMES[1]}: with another policy" in done.stdout
    assert "- rule 1: deletes all but the newest 50 images" in done.stdout
    assert "+ rule 1: deletes all but the newest 70 images" in done.stdout
    assert f"{NAMES[2]}: without a policy" in done.stdout
    assert "4 repositories in line, 2 not" in done.stdout


def test_drift_from_a_part_of_a_plan(team: Any, fleet: Run) -> None:
    """Is told of the repositories that are selected, by name or by the tags that they have now."""
    made(team, "team/new", "v1")
    fleet("apply", "--yes")
    team.put_lifecycle_policy(repositoryName=NAMES[1], lifecyclePolicyText=OTHER)
    tag(team, NAMES[1], "line", "left")
    tag(team, NAMES[2], "line", "stayed")
    told = {
        selectors: (done.returncode, done.stdout.splitlines()[-1:])
        for selectors in (
            ("--repository", NAMES[1]),
            ("--repository", f"!{NAMES[1]}"),
            ("--tag", "line=left"),
            ("--tag", "line"),
            ("--account", ACCOUNT, "--region", REGION, "--repository", NAMES[2]),
        )
        for done in [fleet("drift", *selectors)]
    }
    assert list(told.values()) == [
        (4, ["0 repositories in line, 1 not"]),
        (0, ["5 repositories in line, 0 not"]),
        (4, ["0 repositories in line, 1 not"]),
        (4, ["1 repository in line, 1 not"]),
        (0, ["1 repository in line, 0 not"]),
    ]
    for nobody in (("--repository", "team/new"), ("--region", "mars-1"), ("--account", "999999999999")):
        refused = fleet("drift", *nobody)
        assert (refused.returncode, "no repository that is selected" in refused.stderr) == (2, True)


def test_drift_from_a_wish(team: Any, amazon: Amazon, fleet: Run) -> None:
    """Repositories that were made since any scan are found; selectors hold; what is denied is named."""
    fleet("apply", "--yes")
    made(team, "team/new", "v1", owner="x")
    done = fleet("drift", "--policy", "policy.json", "--json")
    assert done.returncode == 4
    out = [
        each["repository"]
        for each in json.loads(done.stdout)["repositories"]
        if each["position"] != "IN_LINE"
    ]
    assert out == ["team/new"]
    assert fleet("drift", "--policy", "policy.json", "--repository", "!*/new").returncode == 0
    assert fleet("drift", "--policy", "policy.json", "--tag", "!owner").returncode == 0
    amazon.deny("ecr:GetLifecyclePolicy", about=NAMES[1])
    denied = fleet("drift", "--policy", "policy.json", "--repository", "!*/new")
    assert denied.returncode == 3
    assert f"{NAMES[1]}: not done: ecr:GetLifecyclePolicy" in denied.stderr


def test_the_rule_that_keeps_what_runs(team: Any, fleet: Run) -> None:
    """Is no drift, survives a plan that replaces policies, and survives being rolled back."""
    done = fleet("apply", "--yes")
    kept = policies.canonical(with_keep_rule(policies.parse(NEW)))
    team.put_lifecycle_policy(repositoryName=NAMES[1], lifecyclePolicyText=kept)
    assert fleet("drift").returncode == 0
    assert fleet("drift", "--policy", "policy.json").returncode == 0
    assert fleet("apply", "--yes").returncode == 0
    assert policies_of(team, NAMES[1]) == {NAMES[1]: kept}
    assert fleet("rollback", journal_of(done), "--yes").returncode == 0
    old = policies.canonical(with_keep_rule(policies.parse(OLD)))
    assert policies_of(team, NAMES[1], NAMES[2]) == {NAMES[1]: old, NAMES[2]: OLD}


WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "no plan": (("apply", "none-such"), 2, "none-such cannot be read"),
    "no journal": (("rollback", "none-such"), 2, "none-such cannot be read"),
    "no policy": (("drift", "--policy", "none-such"), 2, "none-such cannot be read"),
    "a plan and a policy": (("drift", "p", "--policy", "p"), 2, "a plan says itself"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong(case: str, fleet: Run) -> None:
    """Is one line, and in JSON if that was asked for."""
    arguments, status, message = WRONG[case]
    done = fleet(*arguments, "--json")
    assert done.returncode == status
    assert message in done.stderr
    assert "error" in json.loads(done.stdout)


def test_on_careen(server: Server, fleet: Run, name: str, tmp_path: Path) -> None:
    """The same on a registry of one's own; images that were cleaned come back with their tags, as their layers are there."""
    ecr = server.boto()
    ecr.create_repository(repositoryName=name)
    digests = [push(ecr, name, image(name, each, size=100), each) for each in ("v1", "v2")]
    (tmp_path / "policy.json").write_text(keeping(1))
    only = ("--repository", name)
    assert fleet("scan", *only, **server.aws_environment()).returncode == 0
    fleet("plan", *only, "--policy", "policy.json")
    hash_ = plan.read(tmp_path / "careen-fleet" / "plan.jsonl.gz").hash
    done = fleet("apply", "--yes", "--accept", hash_)
    assert done.returncode == 0, done.stderr
    assert policies_of(ecr, name) == {name: keeping(1)}
    assert fleet("rollback", journal_of(done), "--yes").returncode == 0
    assert policies_of(ecr, name) == {name: None}
    limits = ("--max-share", "100", "--last-of-family", "--accept-unseen")
    cleaned = fleet("clean", *only, "--policy", "policy.json", *limits, "--apply")
    assert cleaned.returncode == 0, cleaned.stderr
    assert len(ecr.describe_images(repositoryName=name)["imageDetails"]) == 1
    back = fleet("rollback", journal_of(cleaned), "--yes")
    assert back.returncode == 0, back.stderr
    found = ecr.describe_images(repositoryName=name)["imageDetails"]
    assert {each["imageDigest"]: each["imageTags"] for each in found} == dict(
        zip(digests, (["v1"], ["v2"]), strict=True)
    )


def test_rolling_back_what_ends_in_the_middle(
    team: Any, amazon: Amazon, fleet: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came back until then is told, beside what ended it; tags are asked for as many as a call may name."""
    monkeypatch.setattr(rollback, "AT_ONCE", 1)
    image_id = team.describe_images(repositoryName=NAMES[0])["imageDetails"][0]["imageDigest"]
    manifest = team.batch_get_image(repositoryName=NAMES[0], imageIds=[{"imageTag": "v1"}])["images"][0]
    gone = [
        journal.Gone(image_id, tags, 0, 1, "r", manifest=manifest["imageManifest"])
        for tags in (("v3",), ("v1", "v2"))
    ]
    written = journal.begin(tmp_path / "clean.jsonl", journal.Head("clean", 0))
    written.done(written.doing(Target(ACCOUNT, REGION), NAMES[0], journal.DeleteImages(tuple(gone))))
    written.close()
    amazon.deny("ecr:BatchGetImage", about='"v3"')
    back = fleet("rollback", "clean.jsonl", "--yes")
    assert back.returncode == 3
    assert "1 image put back" in back.stdout
    assert "(allow ecr:BatchGetImage)" in back.stderr


def test_a_plan_does_not_keep(team: Any, fleet: Run) -> None:
    """One whose scan is older than it may be is refused, and nothing is changed."""
    before = policies_of(team)
    old = fleet("apply", "--yes", "--max-age", "0")
    assert old.returncode == 4
    assert "knows nothing of what was pushed or started since" in old.stderr
    assert "--max-age 1" in old.stderr
    assert policies_of(team) == before
    assert fleet("apply", "--yes").returncode == 0


def test_what_was_done_and_not_answered(
    team: Any, amazon: Amazon, fleet: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """May have been done: apply takes it for its own, and it is rolled back."""
    monkeypatch.setattr(clients, "MOST_TRIES_UNREACHED", 1)

    def breaks_off(operation: str, _region: str, body: str) -> None:
        if operation == "ecr:PutLifecyclePolicy" and NAMES[1] in body:
            ecr_backends[ACCOUNT][REGION].put_lifecycle_policy(ACCOUNT, NAMES[1], NEW)
            raise RuntimeError("the server fails after it was done")

    amazon.rule = breaks_off
    first = fleet("apply", "--yes", "--canary", "0")
    amazon.rule = lambda *_: None
    assert first.returncode == 3
    assert policies_of(team) == AFTER
    again = fleet("apply", "--yes")
    assert (again.returncode, again.stdout.splitlines()[0]) == (0, "6 repositories done")
    assert fleet("rollback", journal_of(first), "--yes").returncode == 0
    assert policies_of(team) == BEFORE


@pytest.mark.parametrize("text", ["", '{"type":"jour'])
def test_a_journal_that_was_not_begun(text: str, team: Any, fleet: Run, tmp_path: Path) -> None:
    """Whoever made it was killed before the first line: nothing is in it, and the same command begins another."""
    hash_ = plan.read(tmp_path / "careen-fleet" / "plan.jsonl.gz").hash.partition(":")[2][:12]
    folder = tmp_path / "careen-fleet" / "journals"
    folder.mkdir(exist_ok=True)
    (folder / f"apply-{hash_}-20990101T000000Z.jsonl").write_text(text)
    done = fleet("apply", "--yes")
    assert done.returncode == 0, done.stderr
    assert policies_of(team) == AFTER
