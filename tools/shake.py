"""Execute notebooks as other machines would, and say how much of its tolerance every printed number used.

    python tools/shake.py                          all notebooks of the book, under every setting
    python tools/shake.py notebooks/02_rnn         those of a folder; files work too
    python tools/shake.py --settings sse,noise-1   some of the settings; --list names them
    python tools/shake.py --report FILE            write the report to a file as well, after every run
    python tools/shake.py --continue               skip what _build/shake holds from an interrupted call

A setting imitates another machine: an older set of instructions, so that BLAS, NumPy, PyTorch and TensorFlow take
other code paths; a second thread; or noise of a few roundings in the starting weights (tools/shaking). Every notebook
runs under nbval, as in `make test`, with the comparison of conftest.py. A number that moved by half of what is allowed
used 0.5 of its tolerance. One that used more than a third here may use all of it on a machine that nobody has tried:
make it stable (a median, more steps, a verdict with a threshold), do not widen its tolerance.

Ctrl-C stops; the report then covers what was done. The exit status is 1 where a text differs, a cell fails, a number
used more than its tolerance, or not everything was done.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import environment, refresh  # noqa: E402

RECORDS = ROOT / "_build" / "shake"
NOTICED, WORTH_A_LINE = 1 / 3, 0.01  # shares of a tolerance
# NumPy's names for AVX2 and AVX-512, new and old. Without them a setting would end in an illegal instruction.
NEEDS = {"avx2": {"X86_V3", "AVX2"}, "avx512": {"X86_V4", "AVX512_SKX"}}


@dataclass(frozen=True)
class Setting:
    """One imitated machine: its name, what it is, and the environment variables that make it."""

    name: str
    meaning: str
    variables: dict[str, str]


def settings() -> list[Setting]:
    """What this machine can imitate."""
    import numpy as np

    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])

    def instructions(blas: str, mkl: str, dnn: str, aten: str, without: list[str], tensorflow: str) -> dict[str, str]:
        return {
            "OPENBLAS_CORETYPE": blas,  # NumPy's products
            "NPY_DISABLE_CPU_FEATURES": " ".join(without),  # NumPy's loops
            "MKL_CBWR": mkl,  # PyTorch's products; MKL_ENABLE_INSTRUCTIONS does nothing on AMD
            "ATEN_CPU_CAPABILITY": aten,  # PyTorch's loops
            "ONEDNN_MAX_CPU_ISA": dnn,  # both frameworks' layers
            "TF_ENABLE_ONEDNN_OPTS": tensorflow,  # 1 is the default on some processors only
        }

    newer = [name for name in found if name.startswith(("AVX512", "X86_V4"))]
    made = [
        Setting("plain", "this machine as it is", {}),
        Setting("sse", "no AVX", instructions("Nehalem", "COMPATIBLE", "SSE41", "default", found, "0")),
        Setting("avx", "AVX, no AVX2", instructions("Sandybridge", "AVX", "AVX", "default", found, "1")),
        Setting("avx2", "AVX2, no AVX-512", instructions("Haswell", "AVX2", "AVX2", "avx2", newer, "1")),
        Setting("avx512", "AVX-512", instructions("SkylakeX", "AVX512", "AVX512_CORE", "avx512", [], "1")),
        Setting("threads", "two threads", dict.fromkeys(environment.THREAD_VARIABLES, "2")),
        *(Setting(f"noise-{seed}", "noise in the starting weights", {"SHAKE_NOISE": str(seed)}) for seed in (1, 2, 3)),
    ]
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return [s for s in made if "OPENBLAS_CORETYPE" not in s.variables]
    return [s for s in made if s.name not in NEEDS or NEEDS[s.name] & set(found)]


# ---- one run ---------------------------------------------------------------------------------------------------------


def run(notebook: Path, setting: Setting, record: Path) -> None:
    """Execute a notebook under nbval and write down every comparison: one line of JSON each.

    The file gets its name `record` when the run is over.
    """
    record.parent.mkdir(parents=True, exist_ok=True)
    half = record.with_suffix(".half")
    half.unlink(missing_ok=True)
    shaking = str(ROOT / "tools" / "shaking")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "SHAKE_"))}
    environment.prepare(variables)
    variables |= setting.variables
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [shaking, variables.get("PYTHONPATH")]))
    variables["SHAKE_RECORD"] = str(half)
    command = [sys.executable, "-m", "pytest", str(notebook), "--nbval", "--nbval-current-env"]
    command += [
        "--nbval-cell-timeout=600",
        "-q",
        "--color=no",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "-p",
        "watch",
    ]
    child = subprocess.Popen(
        command, cwd=ROOT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        said, _ = child.communicate()
    except BaseException:  # Ctrl-C went to the child too; it has to stop its kernel
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
        half.unlink(missing_ok=True)
        raise
    if child.returncode not in (0, 1) or not half.exists():  # pytest itself failed
        with half.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"cell": -1, "failed": f"exit status {child.returncode}\n{said}"}) + "\n")
    half.replace(record)


# ---- what was found --------------------------------------------------------------------------------------------------


@dataclass
class Number:
    """A number that the tests compare, with the setting under which it came closest to its tolerance, or left it."""

    place: tuple  # (notebook, cell, which text, line, which number)
    line: str
    stored: str
    worst: str
    share: float
    setting: str


@dataclass
class Difference:
    """A text that differs, or a cell that failed."""

    notebook: str
    cell: int
    setting: str
    stored: str  # the line; empty for a cell that failed
    now: str


@dataclass
class Findings:
    """All that the runs of this call have shown."""

    numbers: dict[tuple, Number] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)
    runs: list[tuple[str, str, int, float]] = field(default_factory=list)  # notebook, setting, numbers moved, worst

    def add(self, notebook: str, setting: str, lines: list[str]) -> None:
        """Judge what `run` wrote down."""
        from conftest import Output  # late: it sets the number of threads

        moved, worst, texts = 0, 0.0, Counter()
        for entry in map(json.loads, lines):
            cell = entry["cell"]
            texts[cell] += 1
            if "failed" in entry:
                self.differences.append(Difference(notebook, cell, setting, "", entry["failed"].strip()))
                continue
            stored = Output(entry["stored"], entry["rtol"], entry["atol"])
            numbers, lines = judged(stored, entry["now"])
            self.differences += [Difference(notebook, cell, setting, *pair) for pair in lines]
            for j, (i, a, b, used) in enumerate(numbers):
                place = (notebook, cell, texts[cell], i, j)
                known = self.numbers.get(place)
                if known is None or used > known.share:
                    self.numbers[place] = Number(place, stored.splitlines()[i], a, b, used, setting)
                moved, worst = moved + (a != b), max(worst, used)
        self.runs.append((notebook, setting, moved, worst))


def judged(stored, now: str) -> tuple[list[tuple[int, str, str, float]], list[tuple[str, str]]]:
    """What differs between an output as stored and the new text: the numbers, and the lines that differ otherwise.

    `stored` is an Output of conftest.py, which reads both texts and has the last word on what is too much. A number is
    (line, stored, new, share of the tolerance); a share of infinity says that nothing at all is allowed. Where the
    texts have different numbers of lines, the whole texts are the one pair of lines.
    """
    import conftest

    (mine, were), (theirs, are) = conftest._read(stored), conftest._read(now)
    pairs = list(zip_longest(mine.split("\n"), theirs.split("\n")))
    if any(None in pair for pair in pairs):
        return [], [(str(stored), now)]
    numbers, lines = [], []
    were, are = iter(were), iter(are)
    for i, (a, b) in enumerate(pairs):
        old, new = (list(islice(values, line.count(conftest.BLANK))) for values, line in ((were, a), (are, b)))
        if a == b:
            numbers += [(i, x, y, share(stored, x, y)) for x, y in zip(old, new, strict=True)]
        else:
            lines.append((stored.splitlines()[i], now.splitlines()[i]))
    return numbers, lines


def share(stored, a: str, b: str) -> float:
    """How much of its tolerance a number of the output `stored` used that was `a` and is `b`: above 1 is too much."""
    import conftest

    if a == b:
        return 0.0
    if conftest._is_bound(a) or conftest._is_bound(b):  # may fall, or grow by one power of ten
        before, after = conftest._power(a), conftest._power(b)
        used = max(0.0, after - before) if math.isfinite(before) else 10.0**after / stored.atol
    else:
        x, y = conftest._value(a), conftest._value(b)
        if x == y:
            return 0.0
        allowed = max((stored.rtol or conftest.RTOL) * max(abs(x), abs(y)), stored.atol)
        used = math.inf if stored._exact(a, b) else abs(x - y) / allowed
    if stored.close(a, b):
        return min(used, 1.0)
    return used if used > 1 else math.inf


def report(findings: Findings, planned: int, everything: bool = False) -> str:
    """The text for people: texts that differ, numbers by the share of their tolerance, what each setting did."""
    numbers = sorted(findings.numbers.values(), key=lambda n: (-n.share, n.place))
    over, noticed = (sum(n.share > limit for n in numbers) for limit in (1, NOTICED))
    moved = sum(n.stored != n.worst for n in numbers)
    lines = [f"{len(findings.runs)} of {planned} runs, on {_processor()}, {time.strftime('%Y-%m-%d %H:%M')}", ""]
    if findings.differences:
        lines += [f"texts that differ and cells that failed: {len(findings.differences)}"]
        for d in findings.differences:
            place = d.notebook if d.cell < 0 else f"{d.notebook}::Cell {d.cell}"
            lines += [f"  {place}  under {d.setting}"]
            lines += [f"    stored: {line}" for line in d.stored.splitlines()[-12:]]
            lines += [f"    now:    {line}" for line in d.now.splitlines()[-12:]]
    else:
        lines += ["texts that differ and cells that failed: none"]
    lines += ["", f"numbers compared: {len(numbers)}; printed otherwise at least once: {moved}"]
    lines += [f"used more than a third of their tolerance: {noticed}; more than all of it: {over}", ""]
    shown = [n for n in numbers if n.share >= (1e-9 if everything else WORTH_A_LINE)]
    if shown:
        lines += ["share  setting  notebook and cell: stored → worst, in the line"]
    for n in shown:
        notebook, cell, *_ = n.place
        share = "whole" if math.isinf(n.share) else f"{n.share:.2f}"
        line = " ".join(n.line.split())[:90]
        lines += [f"{share:>5}  {n.setting:<7}  {notebook}::Cell {cell}: {n.stored} → {n.worst}, in “{line}”"]
    lines += [
        f"the other {len(numbers) - len(shown)} used less than a hundredth, or nothing",
        "",
        "what each run moved",
    ]
    for notebook, setting, count, worst in findings.runs:
        lines += [f"  {setting:<8} {notebook}: {count} numbers, largest share {worst:.2f}"]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    """The processor's name, where the system tells."""
    try:
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


# ---- the command -----------------------------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", default=[str(ROOT / "notebooks")], metavar="PATH")
    parser.add_argument("--settings", help="names, with commas between them; all without it")
    parser.add_argument("--list", action="store_true", help="name the settings and stop")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report there too, with every number")
    parser.add_argument("--continue", action="store_true", dest="go_on", help="keep the runs that are there")
    parser.add_argument("--records", type=Path, default=RECORDS, metavar="FOLDER", help="where runs are kept")
    options = parser.parse_args(arguments)
    known = {setting.name: setting for setting in settings()}
    if options.list:
        print("\n".join(f"{s.name:<8} {s.meaning}" for s in known.values()))
        return 0
    names = options.settings.split(",") if options.settings else list(known)
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no such setting on this machine: {', '.join(unknown)}; there are {', '.join(known)}")
    try:
        notebooks = refresh.find(options.paths)
    except FileNotFoundError as error:
        parser.error(str(error))
    findings, planned = Findings(), len(notebooks) * len(names)
    try:
        for notebook in notebooks:
            for name in names:
                _shake(notebook, known[name], options, findings, planned)
    except KeyboardInterrupt:
        print("stopped; this is what was done", flush=True)
    print("\n" + report(findings, planned), end="")
    whole = len(findings.runs) == planned
    return int(not whole or bool(findings.differences) or any(n.share > 1 for n in findings.numbers.values()))


def _shake(notebook: Path, setting: Setting, options: argparse.Namespace, findings: Findings, planned: int) -> None:
    """One run, one line about it, the report on disk up to date."""
    name, started = os.path.relpath(notebook, ROOT), time.perf_counter()
    record = options.records / notebook.parent.name / notebook.stem / f"{setting.name}.jsonl"
    kept = options.go_on and record.exists() and record.stat().st_mtime > notebook.stat().st_mtime
    before = len(findings.differences)
    if not kept:
        run(notebook, setting, record)
    findings.add(name, setting.name, record.read_text(encoding="utf-8").splitlines())
    *_, moved, worst = findings.runs[-1]
    took = "kept" if kept else f"{time.perf_counter() - started:.0f} s"
    said = f"{moved} numbers moved, largest share {worst:.2f}, {len(findings.differences) - before} texts differ"
    print(f"[{len(findings.runs)}/{planned}] {name}, {setting.name}: {said}; {took}", flush=True)
    if options.report:
        options.report.write_text(report(findings, planned, everything=True), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
