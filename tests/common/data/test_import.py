"""`import common.data` is quick: what is heavy waits until it is needed."""

import subprocess
import sys

HEAVY = ("sklearn", "scipy", "statsmodels", "pandas", "pooch", "requests", "tqdm", "torch", "tensorflow", "keras")


def test_import_loads_nothing_heavy():
    code = f"import sys, common.data; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
