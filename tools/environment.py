"""The environment that notebooks run in, the same for the tests and for `make refresh`."""

from __future__ import annotations

from collections.abc import MutableMapping

# Every library that brings its own thread pool. TensorFlow needs the last two besides OMP_NUM_THREADS.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


def prepare(environment: MutableMapping[str, str]) -> None:
    """Set one math thread and quiet libraries in `environment`, which is changed in place.

    What the caller has set stays: `OMP_NUM_THREADS=2 make test` runs everything with two threads.
    """
    threads = environment.get("OMP_NUM_THREADS", "1")
    for name in THREAD_VARIABLES:
        environment.setdefault(name, threads)
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without it the kernel's debugger warns on standard error that modules are frozen.
    environment.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
