"""The systemd unit: what systemd says of it, and a real systemd that runs Careen with it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

import careen
from careen.settings import Settings
from tests.distribution.client import Client
from tests.images import image
from tests.server import Server, serving
from tests.waiting import PATIENCE, until

DEPLOY = Path(__file__).parents[2] / "deploy" / "systemd"

PROGRAM = Path("/lib/systemd/systemd")

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or not PROGRAM.exists(), reason="systemd is not installed"
)


def value(name: str) -> str:
    """The last value of a directive of the unit."""
    return str(re.findall(rf"^{name}=(.*)$", (DEPLOY / "careen.service").read_text(), re.MULTILINE)[-1])


def test_the_unit_fits_the_settings() -> None:
    """Variables are settings, the parent alone is told to stop, and it is given the time."""
    names = re.findall(r"CAREEN_([A-Z_]+)=", value("Environment"))
    assert {name.lower() for name in names} - {"config"} <= set(Settings.__struct_fields__)
    assert value("KillMode") == "mixed"
    drain = 15  # as the chart has it
    assert int(value("TimeoutStopSec")) >= drain + Settings().shutdown_timeout + 10
    assert value("ReadWritePaths") == value("WorkingDirectory")


@needs_systemd
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say, and `security` finds it well shut."""
    (tmp_path / "careen").write_text("#!/bin/sh\n")
    (tmp_path / "careen").chmod(0o755)
    unit = tmp_path / "careen.service"
    text = (DEPLOY / "careen.service").read_text()
    unit.write_text(text.replace("/opt/careen/bin/careen", str(tmp_path / "careen")))
    for words in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=20", "--no-pager"]):
        done = subprocess.run(
            ["systemd-analyze", *words, unit], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert words[0] == "security" or done.stderr == ""


# Everything that the machine must not notice is another's here: processes, mounts, /run, users, the data folder.
# ProtectHome and PrivateTmp hide where Python and this tree may be, so they are mounted where programs belong.
BEGIN = """
set -e
mount --make-rprivate /
umount --recursive /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount --bind {folder}/etc /etc
for each in /run /opt /var/lib /etc/systemd/system; do mount -t tmpfs -o mode=755 tmpfs $each; done
mkdir -p /opt/careen/bin /opt/python /opt/packages /opt/source
mount --bind {python} /opt/python
mount --bind {packages} /opt/packages
mount --bind {source} /opt/source
install -m 755 {folder}/careen /opt/careen/bin/careen
install -m 644 {deploy}/careen.service /etc/systemd/system/careen.service
install -D -m 644 {folder}/drop-in /etc/systemd/system/careen.service.d/test.conf
install -D -m 644 {deploy}/careen.sysusers /etc/sysusers.d/careen.conf
install -D -m 644 {deploy}/careen.tmpfiles /etc/tmpfiles.d/careen.conf
systemd-sysusers /etc/sysusers.d/careen.conf
systemd-tmpfiles --create /etc/tmpfiles.d/careen.conf
cat {folder}/settings >> /etc/careen/careen.toml
exec env container=test {systemd} --system --unit=careen.service --log-level=warning --log-target=console
"""

CAREEN = """#!/bin/sh
LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/source:/opt/packages exec /opt/python/bin/{version} -m careen "$@"
"""

# Alone, without the targets that a machine starts with, and with an end that is systemd's end.
DROP_IN = """
[Unit]
DefaultDependencies=no
SuccessAction=exit
FailureAction=exit
[Service]
Restart=no
StandardOutput=append:/var/lib/careen/log
StandardError=append:/var/lib/careen/log
"""


class UnderSystemd(Server):
    """Careen, started by a systemd of its own, in namespaces."""

    def __init__(self, folder: Path, group: Path) -> None:
        folder.mkdir()
        super().__init__(folder)
        self._group = group
        shutil.copytree("/etc", folder / "etc", symlinks=True)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        own = {name: self._settings[name] for name in ("port", "region", "registry_id", "create_on_push")}
        key = {name: self._settings[name] for name in ("access_key_id", "secret_access_key")}
        written = [
            f"{name} = {str(each).lower() if isinstance(each, bool) else repr(each)}"
            for name, each in own.items()
        ]
        (folder / "settings").write_text("\n".join([*written, "drain_delay = 1", ""]))
        (folder / "etc" / "careen").mkdir()
        (folder / "etc" / "careen" / "careen.env").write_text(
            "".join(f"CAREEN_{name.upper()}={each}\n" for name, each in key.items())
        )
        (folder / "careen").write_text(CAREEN.format(version=version))
        (folder / "drop-in").write_text(DROP_IN)
        self._enter = BEGIN.format(
            folder=folder,
            deploy=DEPLOY,
            systemd=PROGRAM,
            python=sys.base_prefix,
            packages=sysconfig.get_path("purelib"),
            source=Path(str(careen.__file__)).parents[1],
        )

    def _command(self) -> list[str]:
        own = "--mount --pid --fork --kill-child --mount-proc --uts --ipc --cgroup"
        enter = f'echo $$ >{self._group}/cgroup.procs && exec unshare {own} sh -c "$0"'
        return ["sh", "-c", enter, self._enter]

    def stop(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Take all of it away: to stop it in order is systemd's business."""
        return super().stop(number)

    def run(self, *command: str | Path) -> str:
        """Run a command there, as root, which must succeed. Returns what it printed."""
        within = ("nsenter", f"--target={self.systemd}", "--mount", "--pid", "--")
        done = subprocess.run([*within, *command], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def systemd(self) -> int:
        """The process that is number one inside."""
        (pid,) = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(pid)

    @property
    def service(self) -> int:
        """The service's main process."""
        children = Path(f"/proc/{self.systemd}/task/{self.systemd}/children").read_text().split()
        (pid,) = (int(each) for each in children if b"careen" in Path(f"/proc/{each}/cmdline").read_bytes())
        return pid


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group below which systemd makes its own: it touches nobody else's."""
    if os.geteuid() or Path("/run/systemd/system").exists():
        pytest.skip("a systemd of one's own needs root, on a machine that no other systemd runs")
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    if (root := next((each[1] for each in mounts if each[2] == "cgroup2"), None)) is None:
        pytest.skip("there are no control groups of version 2 here")
    made = Path(root) / f"careen-test-{os.getpid()}"
    made.mkdir()
    yield made
    (made / "cgroup.kill").write_text("1")
    until(lambda: "populated 1" not in (made / "cgroup.events").read_text(), "they are still alive")
    for folder in sorted((made, *(each for each in made.rglob("*") if each.is_dir())), reverse=True):
        folder.rmdir()


@pytest.mark.slow
@pytest.mark.sqlite
@pytest.mark.disk
@needs_systemd
def test_careen_runs_as_the_unit_says(tmp_path: Path, group: Path) -> None:
    """Shut in as the unit has it, a registry takes a push and gives it back; told to stop, it drains and ends with 0."""
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        pytest.skip("namespaces cannot be made here")
    server = UnderSystemd(tmp_path / "machine", group)
    with serving(server):
        status = Path(f"/proc/{server.service}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        assert re.search(r"^CapBnd:\t0+$", status, re.MULTILINE)
        assert "\nUid:\t0" not in status
        client, built = Client(server), image("systemd", size=3_000_000)
        client.push("team/app", built, "1")
        for digest, data in zip(built.digests, built.blobs, strict=True):
            assert client.send("GET", f"/v2/team/app/blobs/{digest}").body == data
        inside = Path(f"/proc/{server.service}/root")
        assert (inside / "var/lib/careen/careen.db").exists()
        listed = json.loads(server.run("sh", "-c", 'cd / && exec "$0" storage --json', DEPLOY / "careen"))
        assert [each["name"] for each in listed["repositories"]] == ["team/app"]
        server.run("systemctl", "stop", "careen")
        assert server._process is not None
        assert server._process.wait(PATIENCE) == 0
