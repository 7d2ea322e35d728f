"""Records of full-size runs: made by a notebook's own code on a GPU, shown beside the small run, never mixed with it.

A notebook names its experiment with two sets of sizes. Readers and tests run it small. `make record` runs the same
cells at full size and stores what they found, with everything one must know to believe it: sizes, seeds, hardware,
versions, date, commit and the fingerprints of the code. A page shows the record, and says so when the code has
changed since.
"""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from common.results import fingerprint
from common.results.record import (
    FORMAT,
    RECORDS,
    check_name,
    check_record,
    folder_in_use,
    path_of,
    read,
    write,
)
from common.tables import table

__all__ = ["RECORDS", "Run", "check_record", "experiment", "load", "read", "show", "write"]

ROOT = Path(__file__).resolve().parents[3]

# What `tools/record.py` sets: "1" for the full size, "small" to try the tool; nothing for readers and tests.
MODE = "BOOK_RECORD"


class Run:
    """One experiment of a notebook: the sizes it runs at, and whether its results are being recorded."""

    def __init__(self, name: str, sizes: dict, mode: str) -> None:
        self.name, self.sizes = name, sizes
        self.recording = mode != ""
        self._size = "full" if mode == "1" else "small"

    def save(
        self,
        metrics: Mapping[str, object] | None = None,
        *,
        times: Mapping[str, object] | None = None,
        seeds: Sequence[int] = (),
    ) -> Path | None:
        """Store what the run found if it is being recorded; otherwise do nothing and return None.

        metrics  name -> a number, or a list with one number a seed
        times    name -> seconds, a number or a list
        seeds    the seeds of the runs

        Raises ValueError for numbers that are not finite or do not fit the seeds, recording or not, so that a mistake
        shows in the small run.
        """
        record = {
            "format": FORMAT,
            "experiment": self.name,
            "variant": _variant(),
            "size": self._size,
            "notebook": f"notebooks/{_notebook_of(self.name)}",
            "sizes": _plain(self.sizes),
            "seeds": _plain(list(seeds)),
            "metrics": _plain(dict(metrics or {})),
            "times": _plain(dict(times or {})),
            "hardware": {"kind": "cpu", "gpu": None, "processor": "", "cores": 1},
            "versions": {},
            "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "commit": None,
            "changed_files": False,
            "code": {"notebook": ""},
        }
        check_record(record)
        if not self.recording:
            return None
        commit, changed = _commit()
        record |= {"hardware": _hardware(), "versions": _versions(), "commit": commit, "changed_files": changed}
        record["code"] = fingerprint.code_behind(_notebooks() / _notebook_of(self.name), experiment=self.name)
        return write(record)


def experiment(name: str, *, small: Mapping[str, object], full: Mapping[str, object]) -> Run:
    """Return the run of an experiment: its `sizes` are `small`, or `full` under `make record`.

    name  the notebook without folder and ending, then a name of its own: "02_rnn/4_pytorch/timing"

    Raises ValueError for another kind of name, or if `small` and `full` do not name the same sizes.
    """
    check_name(name)
    if set(small) != set(full):
        different = ", ".join(sorted(set(small) ^ set(full)))
        raise ValueError(f"small, full: expected the same names in both, but {different} stands in only one")
    mode = os.environ.get(MODE, "")
    if mode not in ("", "1", "small"):
        raise ValueError(f"{MODE}: expected nothing, 1 or small, got {mode!r}")
    if mode == "small" and folder_in_use() == RECORDS:
        raise ValueError("BOOK_RECORD_DIR: small runs are never stored among the records; name another folder")
    return Run(name, dict(full if mode == "1" else small), mode)


def load(name: str) -> list[dict]:
    """Return the records of an experiment, one a variant (such as a backend of Keras); none if none was made yet."""
    path = path_of(name)
    # Sorted by name, so the page is the same on every machine.
    return [
        read(found)
        for found in sorted([*path.parent.glob(f"{path.stem}.json"), *path.parent.glob(f"{path.stem}.*.json")])
    ]


def show(name: str) -> str:
    """Return the records of an experiment as text with their provenance, or how to make one if there is none.

    A record is marked STALE, with the parts that changed, when the code that made it is no longer the book's.
    """
    records = load(name)
    if not records:
        return (
            f"{name}: no full-size run on a GPU has been recorded yet.\n"
            "`make record` on a machine with a GPU makes the record; nothing is shown in its place."
        )
    return "\n\n".join(_shown(record) for record in records)


def changed_since(record: dict) -> list[str]:
    """Return the parts of the code ("notebook", module names) that are not what they were when the record was made."""
    notebook = _notebooks() / _notebook_of(record["experiment"])
    if not notebook.is_file():
        return ["notebook"]
    then, now = record["code"], fingerprint.code_behind(notebook, experiment=record["experiment"])
    return [part for part in dict.fromkeys([*now, *then]) if then.get(part) != now.get(part)]


def _shown(record: dict) -> str:
    head = [f"Recorded run: {record['experiment']}" + (f" ({record['variant']})" if record["variant"] else "")]
    if record["size"] != "full":
        head.append("TRIAL at small size: not a result")
    changed = changed_since(record)
    if changed:
        head.append(f"STALE: changed since it was made: {', '.join(changed)}. `make record` makes it anew.")
    rows = [[label, *_summary(value)] for label, value in record["metrics"].items()]
    rows += [[f"{label} [s]", *_summary(value)] for label, value in record["times"].items()]
    hardware = record["hardware"]
    machine = f"{hardware['processor']}, {hardware['cores']} cores"
    commit = (record["commit"] or "unknown")[:10] + (" with uncommitted changes" if record["changed_files"] else "")
    facts = {
        "sizes": ", ".join(f"{key} {value}" for key, value in record["sizes"].items() if key != "seeds"),
        "seeds": ", ".join(map(str, record["seeds"])) or "none",
        "hardware": f"{hardware['gpu']}; {machine}" if hardware["gpu"] else f"NO GPU; {machine}",
        "software": ", ".join(f"{package} {version}" for package, version in record["versions"].items()),
        "made": f"{record['date'][:10]}, commit {commit}",
    }
    provenance = [f"{key:<9} {value}" for key, value in facts.items()]
    return "\n".join([*head, "", table(rows, ["", "median", "lowest", "highest", "count"]), "", *provenance])


def _summary(value) -> tuple:
    values = value if isinstance(value, list) else [value]
    return float(statistics.median(values)), float(min(values)), float(max(values)), len(values)


def _notebook_of(name: str) -> str:
    return name.rpartition("/")[0] + ".ipynb"


def _notebooks() -> Path:
    return Path(os.environ.get("BOOK_NOTEBOOKS") or ROOT / "notebooks")


def _plain(value):
    """Return JSON's own kinds for NumPy's numbers and arrays, tuples and dicts."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _variant() -> str | None:
    """Return the backend if the notebook uses Keras: the same notebook has one record a backend."""
    return sys.modules["keras"].backend.backend() if "keras" in sys.modules else None


def _hardware() -> dict:
    from common import device

    gpu = None
    if "keras" in sys.modules:
        gpu = device.keras_gpu()
    elif "torch" in sys.modules:
        gpu = device.gpu_name() or ("Apple GPU" if device.torch_device() == "mps" else None)
    return {
        "kind": "gpu" if gpu else "cpu",
        "gpu": gpu,
        "processor": device.processor(),
        "cores": device.cores(),
    }


def _versions() -> dict[str, str]:
    """Return the versions of Python and of the packages in use, and CUDA's where PyTorch knows it."""
    versions = {"Python": platform.python_version()}
    for name, package in {
        "NumPy": "numpy",
        "PyTorch": "torch",
        "Keras": "keras",
        "TensorFlow": "tensorflow",
        "JAX": "jax",
    }.items():
        version = getattr(sys.modules.get(package), "__version__", None)
        if version:
            versions[name] = str(version)
    cuda = getattr(getattr(sys.modules.get("torch"), "version", None), "cuda", None)
    return versions | ({"CUDA": cuda} if cuda else {})


def _commit() -> tuple[str | None, bool]:
    """Return (commit of the checkout, whether its code or notebooks differ from it); (None, False) without git."""

    def git(*arguments: str) -> str | None:
        try:
            run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return run.stdout.strip()

    changed = git("status", "--porcelain", "--", "src", "notebooks", ":!src/common/results/records")
    return git("rev-parse", "HEAD"), bool(changed)
