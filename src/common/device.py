"""What this machine is, which device a framework uses on it, and honest timing.

Nothing heavy is imported here: PyTorch, Keras and threadpoolctl are looked at only inside the functions.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from common import checks
from common.tables import table

NO_GPU = (
    "no GPU found: all of it runs on the processor, only slower",
    "in Colab: Runtime → Change runtime type → a GPU; then run all cells again",
)


def describe(framework: str | None = None) -> str:
    """Return what this machine is, one line a fact: processor, NumPy with its matrix kernels, and the framework.

    framework  None, "torch" or "keras": adds its version, backend and device, and how to get a GPU if there is none

    Which kernels OpenBLAS chose stands there because a timing means little without it: on some virtual machines it
    mistakes the processor and runs at half its speed.
    """
    checks.one_of("framework", framework, (None, "torch", "keras"))
    facts = [
        ("processor", f"{processor()}, {_count(cores(), 'core')}"),
        ("Python", f"{platform.python_version()} on {platform.system()}"),
        ("NumPy", f"{np.__version__}, {blas()}"),
    ]
    if framework == "torch":
        facts += _torch_facts()
    elif framework == "keras":
        facts += _keras_facts()
    return "\n".join(f"{name:<10} {fact}" for name, fact in facts)


def processor() -> str:
    """Return the processor's name as the operating system gives it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine() or "unknown"


def cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def blas() -> str:
    """Return what makes NumPy's matrix products, such as "OpenBLAS 0.3.31, SkylakeX kernels, 1 thread"."""
    try:
        import threadpoolctl
    except ImportError:
        return "matrix library unknown (threadpoolctl is not installed)"
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool.get("user_api") == "blas"]
    # PyTorch may bring a library of its own; NumPy's lies beside NumPy.
    pools.sort(key=lambda pool: "numpy" not in str(pool.get("filepath", "")))
    if not pools:
        return "Accelerate" if platform.system() == "Darwin" else "matrix library unknown"
    first = pools[0]
    name = {"openblas": "OpenBLAS", "mkl": "MKL", "blis": "BLIS"}.get(first["internal_api"], first["internal_api"])
    kernels = first.get("architecture")
    parts = [f"{name} {first.get('version') or ''}".strip(), f"{kernels} kernels" if kernels else ""]
    return ", ".join([*filter(None, parts), _count(first["num_threads"], "thread")])


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("" if number == 1 else "s")


def _torch_facts() -> list[tuple[str, str]]:
    import torch

    device = torch_device()
    threads = _count(torch.get_num_threads(), "thread")
    where = {"cuda": gpu_name() or "cuda", "mps": "Apple GPU (mps)", "cpu": f"processor, {threads}"}[device]
    facts = [("PyTorch", f"{torch.__version__}, runs on: {where}")]
    return facts + ([("", line) for line in NO_GPU] if device == "cpu" else [])


def _keras_facts() -> list[tuple[str, str]]:
    import keras

    gpu = keras_gpu()
    backend = keras.backend.backend()
    version = getattr(sys.modules.get(backend), "__version__", "unknown version")
    name = {"tensorflow": "TensorFlow", "torch": "PyTorch", "jax": "JAX"}.get(backend, backend)
    facts = [("Keras", f"{keras.__version__} on {name} {version}, runs on: {gpu or 'processor'}")]
    return facts + ([("", line) for line in NO_GPU] if gpu is None else [])


def torch_device(*, double: bool = False) -> str:
    """Return where PyTorch should compute: "cuda", "mps" (Apple) or "cpu".

    double  the work needs float64, which Apple's GPUs do not have: never return "mps"
    """
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() and not double else "cpu"


def gpu_name() -> str | None:
    """Return the name of the GPU that PyTorch sees, or None."""
    import torch

    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else None


def keras_gpu() -> str | None:
    """Return the name of the GPU that Keras's backend sees, or None."""
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        return gpu_name()
    if backend == "jax":
        import jax

        found = [device for device in jax.devices() if device.platform in ("gpu", "cuda", "rocm", "METAL")]
        return found[0].device_kind if found else None
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(found[0]).get("device_name", "GPU") if found else None


@dataclass(frozen=True)
class Timings:
    """What `measure` found: `times[name]` holds the seconds of each round, and round k is the same round for all."""

    times: dict[str, np.ndarray]

    def median(self, name: str) -> float:
        """Return the median time of one function in seconds."""
        return float(np.median(self._of(name)))

    def quartiles(self, name: str) -> tuple[float, float]:
        """Return the times, in seconds, between which the middle half of the rounds lies."""
        low, high = np.quantile(self._of(name), [0.25, 0.75])
        return float(low), float(high)

    def ratios(self, to: str) -> dict[str, float]:
        """Return, for every function, how many times as long as `to` it took: the median of the rounds' ratios.

        A ratio is taken within a round, so whatever slows the machine for a while slows both of its sides.
        """
        base = self._of(to)
        return {name: float(np.median(times / base)) for name, times in self.times.items()}

    def table(self, to: str | None = None) -> str:
        """Return the times in milliseconds as a table, with a column of ratios to `to` if it is named."""
        ratios = self.ratios(to) if to else {}
        headers = ["", "median ms", "middle half ms"] + ([f"times {to}"] if to else [])
        rows = []
        for name in self.times:
            low, high = self.quartiles(name)
            spread = f"{1e3 * low:.3g} … {1e3 * high:.3g}"
            rows.append([name, 1e3 * self.median(name), spread, *([ratios[name]] if to else [])])
        return table(rows, headers)

    def __str__(self) -> str:
        return self.table()

    def _of(self, name: str) -> np.ndarray:
        return self.times[checks.one_of("name", name, list(self.times))]


def measure(
    functions: Mapping[str, Callable[[], object]],
    *,
    repeats: int = 20,
    warmup: int = 3,
    synchronise: Callable[[object], object] | None = None,
) -> Timings:
    """Time functions against each other: interleaved, warmed up, each waited for until its result is there.

    functions    name -> function without arguments. It must return what it computed: a GPU, and Keras, hand the
                 result back before it exists, and only the result can be waited for
    repeats      rounds; every round calls each function once, in an order that changes from round to round
    warmup       rounds thrown away: first calls compile, allocate and fill caches
    synchronise  how to wait for a result; by default `wait_for`, which knows NumPy, PyTorch, TensorFlow and JAX

    Raises TypeError for something that cannot be called.
    """
    if not isinstance(functions, Mapping) or not functions:
        raise TypeError(f"functions: expected a dict of name -> function, got {functions!r}")
    for name, function in functions.items():
        if not callable(function):
            raise TypeError(f"functions[{name!r}]: expected a function without arguments, got {function!r}")
    repeats = checks.positive_int("repeats", repeats)
    if warmup < 0:
        raise ValueError(f"warmup: expected a whole number of at least 0, got {warmup}")
    synchronise = synchronise or wait_for
    names = list(functions)
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(warmup + repeats):
        # Turning and mirroring the order lets no function always run after the same neighbour's warm caches.
        order = names[number % len(names) :] + names[: number % len(names)]
        for name in order if number % 2 == 0 else order[::-1]:
            start = time.perf_counter()
            synchronise(functions[name]())
            elapsed = time.perf_counter() - start
            if number >= warmup:
                times[name].append(elapsed)
    return Timings({name: np.array(values) for name, values in times.items()})


def wait_for(result: object) -> None:
    """Return once every array in `result` has been computed, on whatever device it lies.

    Looks into dicts, lists and tuples. Copies nothing large: one number of a TensorFlow tensor is fetched, which is
    there only when the whole tensor is.
    """
    if isinstance(result, Mapping):
        result = list(result.values())
    if isinstance(result, (list, tuple)):
        for entry in result:
            wait_for(entry)
        return
    package = type(result).__module__.split(".")[0]
    if package == "torch":
        _wait_for_torch(result)
    elif hasattr(result, "block_until_ready"):  # JAX
        result.block_until_ready()
    elif package in ("tensorflow", "keras"):
        _wait_for_tensorflow(result)


def _wait_for_torch(tensor: object) -> None:
    import torch

    kind = getattr(getattr(tensor, "device", None), "type", "cpu")
    if kind == "cuda":
        torch.cuda.synchronize()
    elif kind == "mps":
        torch.mps.synchronize()


def _wait_for_tensorflow(tensor: object) -> None:
    import tensorflow as tf

    value = getattr(tensor, "value", tensor)
    value = value() if callable(value) else value
    if isinstance(value, (tf.Tensor, tf.Variable)):
        tf.reshape(value, [-1])[:1].numpy()
    else:
        wait_for(value)
