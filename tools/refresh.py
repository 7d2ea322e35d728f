"""Execute notebooks and store them in normal form.

    python tools/refresh.py                       all notebooks of the book
    python tools/refresh.py notebooks/02_rnn      those of a folder; files work too
    python tools/refresh.py --check               only say which files are not in normal form
    python tools/refresh.py --normalise           normal form without executing

Each notebook runs in a fresh kernel in its own folder. A notebook with a failing cell is left as it was; so is a file
that is no notebook, such as one with a merge conflict, which is named.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import environment, normalise  # noqa: E402

TIMEOUT = 600  # seconds a cell may take; a whole notebook should take 60 at most


class CellFailed(Exception):
    """A cell raised an error; the message says which and shows the end of its traceback."""


def find(paths: list[str]) -> list[Path]:
    """The notebooks named by `paths` (files or folders), sorted.

    Raises FileNotFoundError for a path that does not exist.
    """
    found: set[Path] = set()
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"no such notebook or folder: {path}")
        inside = path.rglob("*.ipynb") if path.is_dir() else [path]
        found.update(p.resolve() for p in inside if ".ipynb_checkpoints" not in p.parts)
    return sorted(found)


def execute(path: Path, timeout: int = TIMEOUT) -> float:
    """Execute the notebook at `path` in a fresh kernel, store it in normal form, return the seconds taken.

    Raises CellFailed, and leaves the file untouched, where a cell raises an error or takes over `timeout` s.
    """
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    notebook = normalise.normalise(normalise.read(path))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    variables = dict(os.environ)
    environment.prepare(variables)
    # nbval's kernels have this variable set; ipykernel then leaves the output of C code alone. So do ours.
    variables["PYTEST_CURRENT_TEST"] = "refresh"
    manager = AsyncKernelManager(kernel_name="python3")
    # The kernel of this very Python, whatever kernels are registered under the name.
    manager.kernel_spec.argv[0] = sys.executable
    client = NotebookClient(notebook, km=manager, timeout=timeout, record_timing=False)
    started = time.perf_counter()
    try:
        client.execute(cwd=str(path.parent), env=variables, stderr=subprocess.DEVNULL)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise CellFailed(_where(notebook, error)) from None
    finally:
        if manager.has_kernel:
            run_sync(manager.shutdown_kernel)(now=True)
    seconds = time.perf_counter() - started
    normalise.write(normalise.normalise(notebook), path)
    return seconds


def _where(notebook, error: Exception) -> str:
    """Which cell failed, its first line, and the last lines of what it said."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    broken = [i for i, c in enumerate(cells) if any(o.output_type == "error" for o in c.outputs)]
    number = broken[0] if broken else sum(cell.execution_count is not None for cell in cells)
    number = min(number, len(cells) - 1)
    first = next((line for line in cells[number].source.splitlines() if line.strip()), "")
    said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    last = "\n".join(f"    {line}" for line in said.strip().splitlines()[-12:])
    return f"code cell {number + 1} of {len(cells)} ({first.strip()[:60]})\n{last}"


def _name(path: Path) -> str:
    return os.path.relpath(path)


def _refresh(paths: list[Path], workers: int) -> int:
    """Execute all, report each as it ends, return how many failed."""
    failed = 0
    with ThreadPoolExecutor(max_workers=workers) as pool:
        running = {pool.submit(execute, path): path for path in paths}
        for done, job in enumerate(as_completed(running), 1):
            name = f"[{done}/{len(paths)}] {_name(running[job])}"
            try:
                print(f"{name}  {job.result():.1f} s", flush=True)
            except (CellFailed, normalise.NotANotebookError) as error:
                failed += 1
                print(f"{name}  FAILED, file unchanged: {error}", flush=True)
    return failed


def _check(paths: list[Path], *, repair: bool) -> int:
    """Say which files are not in normal form, and with `repair` mend them; 1 where something is left to do."""
    left = 0
    for path in paths:
        try:
            if normalise.is_normal(path):
                continue
            if repair:
                normalise.write(normalise.normalise(normalise.read(path)), path)
            print(f"{'normalised' if repair else 'not in normal form'}: {_name(path)}")
            left += not repair
        except normalise.NotANotebookError as error:
            left += 1
            print(error)
    return int(left > 0)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status, 1 where something failed or is not normal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=[str(ROOT / "notebooks")], metavar="PATH")
    parser.add_argument("-j", "--jobs", type=int, default=min(2, os.cpu_count() or 1), help="how many at a time")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="only say what is not in normal form")
    what.add_argument("--normalise", action="store_true", help="bring into normal form without executing")
    options = parser.parse_args(arguments)
    try:
        paths = find(options.paths)
    except FileNotFoundError as error:
        parser.error(str(error))
    if options.check or options.normalise:
        return _check(paths, repair=options.normalise)
    return int(_refresh(paths, max(1, options.jobs)) > 0)


if __name__ == "__main__":
    sys.exit(main())
