"""Build the site: `_build/html`, warnings as errors, nothing executed.

Sphinx rebuilds only the pages that changed. Left alone it also forgets: a page that failed passes at the next
build, because it did not change since. This program remembers what Sphinx does not:

- a build that failed or was killed is followed by one that reads every page again;
- a change of the configuration, the table of contents, the templates, the style, an image or the set of pages
  starts afresh;
- when a title, a label or a glossary term has changed, the pages that may use it are written again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
HTML = BUILD / "html"
LOG = BUILD / "build.log"
DOCTREES = BUILD / ".doctrees"
# Written first and removed last: where it stands, the build before this one did not end well.
UNFINISHED = BUILD / ".unfinished"
SETTINGS = BUILD / ".settings"
PAGES = (".md", ".ipynb")
FOLDERS = ("book", "notebooks")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def main() -> int:
    """Build the site, say how it went, and return the exit status."""
    os.chdir(ROOT)
    begin = time.monotonic()
    settings = fingerprint()
    if UNFINISHED.exists() or not SETTINGS.exists() or SETTINGS.read_text() != settings:
        start_afresh()
    BUILD.mkdir(exist_ok=True)
    UNFINISHED.touch()
    print("Building the site.", flush=True)
    before = inventory()
    status = sphinx()
    if status == 0 and before is not None and inventory() != before:
        start_afresh()
        status = sphinx()
    if status != 0:
        report_failure()
        return status
    SETTINGS.write_text(settings)
    UNFINISHED.unlink()
    pages = sum(1 for folder in FOLDERS for _ in (HTML / folder).rglob("*.html"))
    print(f"Built {pages} pages in {time.monotonic() - begin:.0f} s. Open {(HTML / 'index.html').as_uri()}")
    return 0


def start_afresh() -> None:
    """Remove what a build left, but for the log."""
    for folder in (DOCTREES, HTML):
        shutil.rmtree(folder, ignore_errors=True)


def fingerprint() -> str:
    """A digest of everything that can change a page other than its own text."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for path in ["_config.yml", "_toc.yml", "pyproject.toml", "lock.txt"]:
        digest.update((ROOT / path).read_bytes())
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT)
            if not path.is_file() or any(part.startswith(".") or part == "__pycache__" for part in name.parts):
                continue
            digest.update(f"\n{name}\n".encode())
            if path.suffix not in PAGES:
                digest.update(path.read_bytes())
    return digest.hexdigest()


def inventory() -> bytes | None:
    """The titles, labels and terms of the site as it stands, None where there is none."""
    path = HTML / "objects.inv"
    if not path.exists():
        return None
    # Four lines of heading, then compressed text.
    return b"\n".join(sorted(zlib.decompress(path.read_bytes().split(b"\n", 4)[4]).splitlines()))


def sphinx() -> int:
    """Run Jupyter Book once, everything it says in the log; return its exit status."""
    tools = Path(sys.executable).parent
    # node, which sets the mathematics, is installed beside the interpreter.
    path = f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    command = [sys.executable, tools / "jupyter-book", "build", ".", "-W", "-n", "--keep-going"]
    with LOG.open("wb") as log:
        streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": subprocess.STDOUT}
        return subprocess.run(command, env={**os.environ, "PATH": path}, **streams, check=False).returncode


def report_failure() -> None:
    """Print the warnings of the build, or its last lines where there are none."""
    lines = COLOUR.sub("", LOG.read_text(encoding="utf-8", errors="replace")).splitlines()
    told = [line for line in lines if any(word in line for word in ("WARNING:", "ERROR:", "CRITICAL:"))]
    for line in dict.fromkeys(told) if told else lines[-30:]:
        print(line.replace(f"{ROOT}{os.sep}", ""), file=sys.stderr)
    print(f"The site was not built. The whole log: {LOG.relative_to(ROOT)}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
