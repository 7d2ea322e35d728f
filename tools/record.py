"""Make the records of full-size runs: execute the notebooks that hold experiments, at full size, on a GPU.

    python tools/record.py                        all notebooks with experiments, on every framework that sees a GPU
    python tools/record.py notebooks/02_rnn       those of a folder; files work too
    python tools/record.py --backend jax          only this backend of Keras; may be repeated
    python tools/record.py --cpu                  also without a GPU; the records then say so
    python tools/record.py --small                try it: small sizes, any machine, records into a temporary folder

A PyTorch notebook runs once, a Keras notebook once a backend that is installed here (torch, jax, tensorflow). The
notebooks' files are only read. Records appear in src/common/results/records; look at them before you commit them.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from common.results import fingerprint, record  # noqa: E402

BACKENDS = ("torch", "jax", "tensorflow")

# Run in a process of their own: a framework that has looked for GPUs keeps memory on them.
_LOOK = {
    "torch": "import torch; print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else "
    "'Apple GPU' if torch.backends.mps.is_available() else '')",
    "jax": "import jax; print(next((d.device_kind for d in jax.devices() if d.platform != 'cpu'), ''))",
    "tensorflow": "import tensorflow as tf; g = tf.config.list_physical_devices('GPU'); "
    "print(tf.config.experimental.get_device_details(g[0]).get('device_name', 'GPU') if g else '')",
}


@dataclass(frozen=True)
class Job:
    """One notebook to run, on one framework."""

    notebook: Path
    framework: str | None  # None: NumPy alone, which needs no GPU
    keras: bool
    experiments: tuple[str, ...]

    def __str__(self) -> str:
        on = f" on {'Keras with ' if self.keras else ''}{self.framework}" if self.framework else ""
        return f"{os.path.relpath(self.notebook)}{on}"


def installed_gpus() -> dict[str, str]:
    """Return framework -> name of the GPU it sees ("" for none), for every framework that can be imported."""
    found = {}
    for framework, code in _LOOK.items():
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if run.returncode == 0:
            found[framework] = (run.stdout.strip().splitlines() or [""])[-1]
    return found


def jobs(notebooks: list[Path], backends: list[str]) -> list[Job]:
    """Return what there is to run: a Keras notebook once for each of `backends`, any other once."""
    found = []
    for notebook in notebooks:
        experiments = tuple(fingerprint.experiments_of(notebook))
        packages = fingerprint.packages_of(notebook)
        if not experiments:
            continue
        if "keras" in packages:
            found += [Job(notebook, backend, True, experiments) for backend in backends]
        else:
            found.append(Job(notebook, "torch" if "torch" in packages else None, False, experiments))
    return found


def execute(job: Job, *, small: bool, folder: Path) -> list[str]:
    """Execute the job's notebook without changing its file; return what is wrong, nothing if all records are there."""
    import nbformat
    from jupyter_client.manager import AsyncKernelManager
    from jupyter_core.utils import run_sync
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    variables = {
        **os.environ,
        "BOOK_RECORD": "small" if small else "1",
        "BOOK_RECORD_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
        # A variable that nbval's kernels have too: ipykernel then leaves the output of C code alone.
        "PYTEST_CURRENT_TEST": "record",
    }
    if job.keras:
        variables["KERAS_BACKEND"] = str(job.framework)
    manager = AsyncKernelManager(kernel_name="python3")
    # The kernel of this very Python, whatever kernels are registered under the name.
    manager.kernel_spec.argv[0] = sys.executable
    notebook = nbformat.read(job.notebook, as_version=4)
    # No limit on time: a full-size run takes as long as it takes.
    client = NotebookClient(notebook, km=manager, timeout=None)
    started = time.time()
    try:
        client.execute(cwd=str(job.notebook.parent), env=variables, stderr=subprocess.DEVNULL)
    except (CellExecutionError, DeadKernelError) as error:
        return [str(error).strip()[-2000:]]
    finally:
        if manager.has_kernel:
            run_sync(manager.shutdown_kernel)(now=True)
    variant = job.framework if job.keras else None
    return [
        f"{name}: the notebook ran, but did not save this experiment"
        for name in job.experiments
        if not _is_new(record.path_of(name, variant, folder), started)
    ]


def _is_new(path: Path, since: float) -> bool:
    # A second of grace: some file systems keep whole seconds.
    return path.is_file() and path.stat().st_mtime >= since - 1


def choose(todo: list[Job], gpus: dict[str, str], *, any_machine: bool) -> tuple[list[Job], list[str]]:
    """Return the jobs that can run here, and why each other one cannot."""
    chosen, left = [], []
    for job in todo:
        if job.framework is None or gpus.get(job.framework) or (any_machine and job.framework in gpus):
            chosen.append(job)
        elif job.framework in gpus:
            left.append(f"{job}: {job.framework} is installed here, but sees no GPU")
        else:
            left.append(f"{job}: {job.framework} is not installed here")
    return chosen, left


def find(paths: list[str]) -> list[Path]:
    """Return the notebooks under `paths` (files or folders), sorted; raise FileNotFoundError for a wrong path."""
    found: set[Path] = set()
    for path in map(Path, paths):
        if not path.exists():
            raise FileNotFoundError(f"no such notebook or folder: {path}")
        found.update(p.resolve() for p in (path.rglob("*.ipynb") if path.is_dir() else [path]))
    return sorted(path for path in found if ".ipynb_checkpoints" not in path.parts)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 if every record that was asked for was made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=[str(ROOT / "notebooks")], metavar="PATH")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="backend of Keras; may be repeated")
    parser.add_argument("--cpu", action="store_true", help="run without a GPU too; the records say so")
    parser.add_argument("--small", action="store_true", help="small sizes, into a temporary folder: a trial")
    options = parser.parse_args(arguments)
    try:
        import nbclient  # noqa: F401
    except ImportError:
        print("record: this Python has no nbclient; install it with: pip install nbclient ipykernel", file=sys.stderr)
        return 1
    try:
        notebooks = find(options.paths)
    except FileNotFoundError as error:
        parser.error(str(error))

    gpus = installed_gpus()
    backends = options.backend or [backend for backend in BACKENDS if backend in gpus]
    todo, left = choose(jobs(notebooks, backends), gpus, any_machine=options.cpu or options.small)
    if not any(gpus.values()) and not (options.cpu or options.small):
        installed = ", ".join(gpus) or "no framework at all"
        print(
            f"record: no GPU found (installed here: {installed}). Records are made on a machine with a GPU; "
            "--cpu makes them without one and marks them so, --small tries the command.",
            file=sys.stderr,
        )
        return 1
    for line in left:
        print(f"left out  {line}", flush=True)
    if not todo:
        print("record: nothing to run here", file=sys.stderr)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="records-")) if options.small else record.folder_in_use()
    return _run_all(todo, small=options.small, folder=folder)


def _run_all(todo: list[Job], *, small: bool, folder: Path) -> int:
    """Run the jobs one after the other, so that none takes time from another; return how many went wrong."""
    failed = 0
    for number, job in enumerate(todo, 1):
        print(f"[{number}/{len(todo)}] {job} …", flush=True)
        started = time.perf_counter()
        wrong = execute(job, small=small, folder=folder)
        for line in wrong or [f"recorded in {time.perf_counter() - started:.0f} s: {', '.join(job.experiments)}"]:
            print(f"    {line}", flush=True)
        failed += bool(wrong)
    print(f"{len(todo) - failed} of {len(todo)} runs recorded in {folder}")
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
