"""tools/venv.sh with all the Pythons a machine may have: it finds the right one, or says in one line what to do.

The Pythons are stand-ins, shell scripts that answer what the script asks an interpreter, so that each machine can be
imitated on any other. One test at the end uses a real one, without a network.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# What the script may use besides sh itself; a machine without Python has them too.
COMMANDS = ("cat", "cksum", "dirname", "grep", "head", "ls", "mkdir", "cp", "rm", "sed", "sh", "sleep", "tail")

STAND_IN = """#!/bin/sh
# Answers like a Python of version {version}.
case "$1 $2" in
    "-c "*platform*) echo "{version} {platform}" ;;
    "-c "*ensurepip*) exit {no_venv} ;;
    "-m venv")
        rm -rf "$4" && mkdir -p "$4/bin" && cp "$0" "$4/bin/python" && echo home >"$4/pyvenv.cfg" ;;
    "-m pip")
        echo "$@" >>"{calls}"
        {pip} ;;
esac
"""


class Machine:
    """A copy of the project on a machine that has only the Pythons it is given."""

    def __init__(self, folder: Path):
        self.project = folder / "a project"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (self.project / "tools").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(ROOT / "tools/venv.sh", self.project / "tools")
        for name in ("pyproject.toml", "lock.txt"):
            shutil.copy(ROOT / name, self.project)
        for command in COMMANDS:
            (self.bin / command).symlink_to(shutil.which(command))

    def python(self, name, version, *, platform="linux x86_64", no_venv=0, pip="true"):
        path = self.bin / name
        path.unlink(missing_ok=True)
        text = STAND_IN.format(version=version, platform=platform, no_venv=no_venv, calls=self.calls, pip=pip)
        path.write_text(text)
        path.chmod(0o755)
        return path

    def environment(self, **variables):
        return {"PATH": str(self.bin), "HOME": str(self.bin), **variables}

    def run(self, *arguments, **variables):
        return subprocess.run(
            ["sh", "tools/venv.sh", *arguments],
            cwd=self.project,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def installs(self):
        calls = self.calls.read_text().splitlines() if self.calls.exists() else []
        return [call for call in calls if "-m pip install" in call]


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def one_line(answer):
    """The single line that a refusal consists of."""
    assert answer.returncode == 1
    assert answer.stdout == ""
    lines = answer.stderr.splitlines()
    assert len(lines) == 1, answer.stderr
    return lines[0]


@pytest.mark.parametrize("version", ["3.11.0", "3.12.1", "3.13.9"])
def test_python3_is_taken_where_it_fits(machine, version):
    machine.python("python3", version)
    machine.python("python3.13", "3.13.0")
    assert machine.run("find").stdout.strip() == str(machine.bin / "python3")


@pytest.mark.parametrize("version", ["3.9.2", "3.10.14", "3.14.0", "3.15.2", "4.0.0"])
def test_another_python_is_taken_where_python3_does_not_fit(machine, version):
    machine.python("python3", version)
    machine.python("python3.11", "3.11.4")
    machine.python("python3.12", "3.12.4")
    assert machine.run("find").stdout.strip() == str(machine.bin / "python3.12")


def test_a_python_that_does_not_run_is_passed_over(machine):
    machine.python("python3.13", "3.13.0").write_text(
        "#!/bin/sh\necho 'pyenv: python3.13: command not found'\nexit 127\n"
    )
    (machine.bin / "python3.12").symlink_to("/nowhere/python3.12")
    machine.python("python3.11", "3.11.4")
    assert machine.run("find").stdout.strip() == str(machine.bin / "python3.11")


def test_no_python(machine):
    line = one_line(machine.run("book"))
    assert line.startswith("No Python found: install Python 3.11, 3.12 or 3.13 (Debian, Ubuntu: sudo apt install")
    assert "PYTHON=/path/to/python" in line


@pytest.mark.parametrize("version", ["2.7.18", "3.9.2", "3.10.14"])
def test_too_old(machine, version):
    machine.python("python3", version)
    line = one_line(machine.run("book"))
    assert line.startswith(f"Python {version} (python3) is too old: install Python 3.11, 3.12 or 3.13")


@pytest.mark.parametrize("version", ["3.14.0", "3.20.1", "4.0.0"])
def test_too_new(machine, version):
    machine.python("python3", version)
    line = one_line(machine.run("book"))
    assert line.startswith(
        f"Python {version} (python3) is too new, TensorFlow has no wheel for it: install Python 3.11"
    )


def test_named_python(machine):
    machine.python("python3", "3.13.0")
    named = machine.python("other", "3.12.2")
    assert machine.run("find", PYTHON=str(named)).stdout.strip() == str(named)
    machine.python("other", "3.8.2")
    assert "Python 3.8.2" in one_line(machine.run("book", PYTHON=str(named)))
    assert "does not run" in one_line(machine.run("book", PYTHON="/nowhere/python"))


def test_no_venv_module(machine):
    machine.python("python3", "3.11.2", no_venv=1)
    line = one_line(machine.run("book"))
    assert "its venv module is missing: on Debian and Ubuntu, sudo apt install python3.11-venv" in line


def test_no_torch_for_intel_macs(machine):
    machine.python("python3", "3.12.2", platform="darwin x86_64")
    assert machine.run("book").returncode == 0
    line = one_line(machine.run("all"))
    assert line.startswith("PyTorch is no longer built for Intel Macs: make book works here")
    machine.python("python3", "3.12.2", platform="darwin arm64")
    shutil.rmtree(machine.project / ".venv")
    assert machine.run("all").returncode == 0


FAILURES = {
    "no network": (
        "echo 'WARNING: Retrying after NewConnectionError: Failed to establish a new connection: [Errno 111]'; "
        "echo 'ERROR: No matching distribution found for numpy'; exit 1",
        "No network: the package registry does not answer.",
    ),
    "network lost": (
        "echo 'urllib3.exceptions.ProtocolError: Connection broken: ConnectionResetError(104)'; exit 2",
        "No network: the package registry does not answer.",
    ),
    "no build": (
        "echo 'ERROR: No matching distribution found for torch==2.13.0'; exit 1",
        "The package registry has no torch==2.13.0 for this machine (Python 3.12.2 linux x86_64).",
    ),
    "full disk": ("echo 'OSError: [Errno 28] No space left on device'; exit 1", "The disk is full:"),
    "certificate": ("echo 'SSL: CERTIFICATE_VERIFY_FAILED'; exit 1", "The package registry's certificate was not"),
}


@pytest.mark.parametrize(("pip", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failed_installation_is_explained_and_tried_again(machine, pip, message):
    machine.python("python3", "3.12.2", pip=pip)
    answer = machine.run("book")
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith(message)
    machine.python("python", "3.12.2")
    shutil.copy(machine.bin / "python", machine.project / ".venv/bin/python")
    assert machine.run("book").returncode == 0
    assert len(machine.installs()) == 2


def test_an_unknown_failure_shows_the_end_of_the_log(machine):
    machine.python("python3", "3.12.2", pip="for i in $(seq 99); do echo line $i; done; exit 1")
    machine.bin.joinpath("seq").symlink_to(shutil.which("seq"))
    lines = machine.run("book").stderr.splitlines()
    assert lines == [*(f"line {i}" for i in range(85, 100)), "Installing failed. The whole log: .venv/install.log"]


def test_installed_once_and_again_after_a_change(machine):
    machine.python("python3", "3.12.2")
    first = machine.run("book")
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines() == [
        "Making .venv with Python 3.12.2 (python3).",
        "Installing what the site needs (about 0.5 GB, half a minute); details in .venv/install.log.",
    ]
    assert machine.installs()[0].endswith("-c lock.txt -e .[book]")
    assert (machine.run("book").stdout, len(machine.installs())) == ("", 1)
    (machine.project / "lock.txt").write_text("numpy==2.4.6\n")
    machine.run("book")
    assert len(machine.installs()) == 2


def test_everything_contains_what_the_site_needs(machine):
    machine.python("python3", "3.12.2")
    machine.run("all")
    assert machine.installs()[0].endswith("-c lock.txt -e .[book,notebooks,test]")
    assert (machine.run("book").stdout, len(machine.installs())) == ("", 1)


def test_newest_versions_without_a_lock(machine):
    machine.python("python3", "3.12.2")
    machine.run("all", LOCK="")
    assert "-c lock.txt" not in machine.installs()[0]
    machine.run("all")
    assert machine.installs()[1].endswith("-c lock.txt -e .[book,notebooks,test]")


def test_a_killed_installation_is_completed(machine):
    machine.python("python3", "3.12.2", pip="sleep 60")
    command = subprocess.Popen(
        ["sh", "tools/venv.sh", "book"],
        cwd=machine.project,
        env=machine.environment(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not machine.installs():
        assert command.poll() is None
        time.sleep(0.02)
    os.killpg(command.pid, signal.SIGKILL)
    command.wait()
    machine.python("python", "3.12.2")
    shutil.copy(machine.bin / "python", machine.project / ".venv/bin/python")
    again = machine.run("book")
    assert again.returncode == 0
    assert again.stdout.startswith("Installing")
    assert len(machine.installs()) == 2


def break_link(venv):
    (venv / "bin/python").unlink()
    (venv / "bin/python").symlink_to("/nowhere/python3.12")


def change_version(venv):
    path = venv / "bin/python"
    path.write_text(path.read_text().replace("3.12.2", "3.10.2"))


def kill_before_pip(venv):
    (venv / ".made").unlink()
    (venv / "bin/python").write_text((venv / "bin/python").read_text().replace('echo "$@"', "exit 1; echo"))


def move(venv):
    (venv / ".made").write_text("/elsewhere\n")


@pytest.mark.parametrize("damage", [break_link, change_version, kill_before_pip, move])
def test_a_broken_environment_is_made_anew(machine, damage):
    machine.python("python3", "3.12.2")
    machine.run("book")
    damage(machine.project / ".venv")
    answer = machine.run("book")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(".venv is incomplete, was moved, or is of another Python: making it anew.")
    assert len(machine.installs()) == 2


def test_another_named_python_makes_the_environment_anew(machine):
    machine.python("python3", "3.12.2")
    other = machine.python("other", "3.13.1")
    machine.run("book")
    assert "with Python 3.13.1" in machine.run("book", PYTHON=str(other)).stdout
    assert machine.run("book", PYTHON=str(other)).stdout == ""
    assert machine.run("book").stdout == ""


def test_a_folder_of_somebody_else_is_left_alone(machine):
    machine.python("python3", "3.12.2")
    folder = machine.project / "mine"
    folder.mkdir()
    (folder / "diary.txt").write_text("dear diary")
    assert "is no virtual environment" in one_line(machine.run("book", VENV="mine"))
    assert (folder / "diary.txt").exists()


def test_without_a_network_on_a_real_python(machine):
    shutil.copy(ROOT / "README.md", machine.project)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "LOCK", "VENV"))}
    # Port 9 of this machine: nobody listens there.
    environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    environment |= {"PYTHON": sys.executable, "NO_PROXY": "*"}
    answer = subprocess.run(
        ["sh", "tools/venv.sh", "book"],
        cwd=machine.project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith("No network: the package registry does not answer. Check the connection")
