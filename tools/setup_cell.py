"""The setup cell: the first code cell of every notebook, the same text in all of them.

On your own machine it puts the `src` folder of the checkout that holds the notebook on the path. In Colab it
clones the book once below the working directory. It never installs anything and prints nothing.
The book's public address comes from `_config.yml` (`repository.url` and `repository.branch`).
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "_config.yml"
TAG = "setup"

# ADDRESS and BRANCH are filled in by text(). The clone's folder gets its name only when it is whole, so that
# a clone that was killed is not taken for the book.
TEMPLATE = """\
# @title Setup: find the book's helpers (nothing to change here)
import subprocess
import sys
import tempfile
from pathlib import Path

ADDRESS = "@ADDRESS@"  # of the book's git repository
BRANCH = "@BRANCH@"

folders = [Path.cwd(), *Path.cwd().parents, Path.cwd() / "recurrent-networks"]
found = [f for f in folders if (f / "src" / "common" / "checks.py").is_file()]
if "google.colab" in sys.modules and not found:
    if not ADDRESS:
        raise RuntimeError("Write the address of the book's repository into ADDRESS.")
    with tempfile.TemporaryDirectory(dir=".") as half:  # renamed when it is whole
        git = subprocess.run(
            ["git", "clone", "-q", "--depth=1", "-b", BRANCH, ADDRESS, f"{half}/book"],
            capture_output=True,
            text=True,
        )
        if git.returncode:
            raise RuntimeError(f"{ADDRESS} could not be fetched. {git.stderr.strip()}")
        Path(half, "book").rename(folders[-1])
    found = [folders[-1]]
sys.path[:0] = [str(f / "src") for f in found[:1]]
try:
    from common import BOOK
except ImportError:
    raise ImportError(
        "src/common was not found. Open the notebook in its place in the book's folder."
    ) from None
assert BOOK == "Recurrent Networks: Derived, Built, Proven", BOOK
"""


def text(address: str = "", branch: str = "main") -> str:
    """The source of the setup cell for a book whose git repository is at `address`."""
    return TEMPLATE.replace("@ADDRESS@", address).replace("@BRANCH@", branch).rstrip("\n")


def configured(config: Path = CONFIG) -> tuple[str, str]:
    """(address, branch) as `_config.yml` has them under `repository:`; ("", "main") where it says nothing."""
    lines = config.read_text(encoding="utf-8").splitlines() if config.exists() else []
    values = {"url": "", "branch": "main"}
    inside = False
    for line in lines:
        if line.strip() and not line.startswith((" ", "#")):
            inside = line.rstrip().split("#")[0].strip() == "repository:"
        elif inside and (entry := re.match(r"\s+(url|branch):\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s#]*))", line)):
            values[entry[1]] = entry[2] or entry[3] or entry[4] or ""
    return values["url"], values["branch"] or "main"


def current() -> str:
    """The source that the setup cells must have now."""
    return text(*configured())
