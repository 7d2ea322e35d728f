"""Write lock.txt: one exact version of every package, for every Python and system the book supports.

`make lock` runs it. It keeps the versions that lock.txt has; `--upgrade` takes the newest that fit. The versions
that are chosen by hand stand in pyproject.toml, under `tool.book.pins`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11"


def main(arguments: list[str]) -> int:
    """Resolve all extras with uv, which is installed into a folder of its own and thrown away after."""
    if set(arguments) - {"--upgrade"}:
        print("usage: tools/lock.py [--upgrade]", file=sys.stderr)
        return 2
    pins = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["book"]["pins"]
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        bin_ = Path(folder, "bin")
        pip = [bin_ / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        if subprocess.run([*pip, "uv"], check=False).returncode:
            print(
                "uv, which resolves the versions, could not be installed: is there a network?",
                file=sys.stderr,
            )
            return 1
        constraints = Path(folder, "pins.txt")
        constraints.write_text("\n".join(pins) + "\n")
        command = [
            bin_ / "uv",
            "pip",
            "compile",
            "--universal",
            "--python-version",
            OLDEST_PYTHON,
            "--all-extras",
        ]
        command += [
            "--no-annotate",
            "--no-header",
            "-q",
            "pyproject.toml",
            "-c",
            constraints,
            "-o",
            "lock.txt",
        ]
        return subprocess.run([*command, *arguments], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
