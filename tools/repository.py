"""Write the book's public address where it is needed: `_config.yml` and the setup cell of every notebook.

    python tools/repository.py https://github.com/NAME/BOOK [--branch main]
    python tools/repository.py ""          no address: the site shows no Colab button, the setup cell says so in Colab

Uses the standard library alone, so that it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import setup_cell  # noqa: E402


def configure(text: str, address: str, branch: str) -> str:
    """The text of `_config.yml` with another address and branch; every other character stays.

    Raises ValueError where there is no top-level `repository:` block with an `url:` and a `branch:` line.
    """
    block = re.search(r"^repository:[^\n]*\n(?:(?:[ \t]+[^\n]*|#[^\n]*)?\n)*", text, re.MULTILINE)
    if not block:
        raise ValueError("_config.yml: expected a block `repository:` with `url:` and `branch:`, found none")
    changed = block[0]
    for key, value in (("url", f'"{address}"'), ("branch", branch)):
        # The value ends where a comment begins.
        pattern = rf"^([ \t]+{key}:)[ \t]*(?:\"[^\"\n]*\"|'[^'\n]*'|[^\s#][^\n#]*?)?([ \t]*(?:#[^\n]*)?)$"
        changed, count = re.subn(pattern, lambda m, v=value: f"{m[1]} {v}{m[2]}", changed, flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"_config.yml: expected one line `{key}:` under `repository:`, found {count}")
    return text[: block.start()] + changed + text[block.end() :]


def with_setup(text: str, source: str) -> str:
    """The JSON text of a notebook with `source` in its setup cell; a notebook without one stays as it is."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and setup_cell.TAG in cell["metadata"].get("tags", []):
            cell["source"] = source.splitlines(keepends=True)
            return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False, separators=(",", ": ")) + "\n"
    return text


def check_address(address: str) -> str:
    """Return an address without a slash or `.git` at its end; ValueError for one that Colab could not clone."""
    address = re.sub(r"(\.git)?/*$", "", address.strip())
    if address and not re.fullmatch(r"https://[\w.-]+(:\d+)?(/[\w.~-]+)+", address):
        raise ValueError(f"URL: expected https://HOST/NAME/BOOK or nothing, got {address!r}")
    return address


def write(path: Path, text: str) -> bool:
    """Replace the file's text in one step; returns whether anything changed."""
    if path.read_text(encoding="utf-8") == text:
        return False
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)
    os.chmod(name, 0o644)
    os.replace(name, path)
    return True


def set_address(root: Path, address: str, branch: str) -> list[Path]:
    """Write address and branch into the book at `root`; returns the files that changed."""
    config = root / "_config.yml"
    changed = [config] if write(config, configure(config.read_text(encoding="utf-8"), address, branch)) else []
    source = setup_cell.text(address, branch)
    for path in sorted((root / "notebooks").rglob("*.ipynb")):
        if ".ipynb_checkpoints" not in path.parts and write(path, with_setup(path.read_text("utf-8"), source)):
            changed.append(path)
    return changed


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("url", metavar="URL", nargs="?", help="https address of the public repository")
    parser.add_argument("--branch", default=setup_cell.configured()[1])
    options = parser.parse_args(arguments)
    if options.url is None:
        parser.error("say the address: make repository URL=https://github.com/NAME/BOOK")
    try:
        for path in set_address(ROOT, check_address(options.url), options.branch):
            print(f"changed {path.relative_to(ROOT)}")
    except ValueError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
