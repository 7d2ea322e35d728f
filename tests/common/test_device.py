"""Timing that can be trusted, and a description of the machine that names what a timing depends on."""

import subprocess
import sys
import time
import types

import numpy as np
import pytest

from common import device


def test_rounds_are_interleaved_and_their_order_changes():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "abc"}
    timings = device.measure(functions, repeats=6, warmup=2)
    rounds = ["".join(calls[k : k + 3]) for k in range(0, len(calls), 3)]
    assert len(rounds) == 8
    assert all(sorted(order) == ["a", "b", "c"] for order in rounds)
    assert len(set(rounds)) >= 4
    assert {order[0] for order in rounds} == {"a", "b", "c"}
    assert {name: len(times) for name, times in timings.times.items()} == {"a": 6, "b": 6, "c": 6}


def test_warm_up_rounds_are_not_counted():
    state = types.SimpleNamespace(calls=0)

    def slow_at_first():
        state.calls += 1
        time.sleep(0.05 if state.calls <= 2 else 0)

    timings = device.measure({"f": slow_at_first}, repeats=5, warmup=2)
    assert state.calls == 7
    assert timings.times["f"].max() < 0.03


def test_the_wait_for_the_result_is_part_of_the_time():
    timings = device.measure({"f": lambda: "later"}, repeats=3, warmup=0, synchronise=lambda result: time.sleep(0.01))
    assert timings.times["f"].min() >= 0.01


def test_ratios_are_taken_within_a_round():
    """The machine was ten times slower in two of three rounds; the ratio of the functions never changed."""
    timings = device.Timings({"a": np.array([2.0, 20.0, 20.0]), "b": np.array([1.0, 10.0, 10.0])})
    assert timings.ratios(to="b") == {"a": 2.0, "b": 1.0}
    mixed = device.Timings({"a": np.array([2.0, 20.0, 3.0]), "b": np.array([1.0, 10.0, 9.0])})
    assert mixed.ratios(to="b")["a"] == 2.0  # the ratio of the medians would be 3 / 9


def test_medians_quartiles_and_the_table():
    timings = device.Timings({"loop": np.array([4.0, 1.0, 2.0, 3.0, 5.0]) * 1e-3, "fused": np.full(5, 1e-3)})
    assert timings.median("loop") == pytest.approx(3e-3)
    assert timings.quartiles("loop") == (pytest.approx(2e-3), pytest.approx(4e-3))
    assert timings.table(to="fused").splitlines()[2].split() == ["loop", "3.00", "2", "…", "4", "3.00"]
    assert "times" not in str(timings)
    with pytest.raises(ValueError, match="name: expected one of 'loop', 'fused', got 'lop'"):
        timings.median("lop")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: device.measure({}), "functions: expected a dict"),
        (lambda: device.measure([print]), "functions: expected a dict"),
        (lambda: device.measure({"f": 3}), r"functions\['f'\]: expected a function without arguments, got 3"),
        (lambda: device.measure({"f": print}, repeats=0), "repeats: expected a whole number of at least 1"),
        (lambda: device.measure({"f": print}, warmup=-1), "warmup: expected a whole number of at least 0"),
        (lambda: device.describe("jax"), "framework: expected one of None, 'torch', 'keras', got 'jax'"),
    ],
)
def test_bad_input_says_what_is_wrong(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_waiting_looks_into_nested_results_and_knows_jax():
    waited = []
    array = types.SimpleNamespace(block_until_ready=lambda: waited.append(1))
    device.wait_for({"loss": 1.0, "grads": [array, (array, np.ones(3))]})
    assert waited == [1, 1]


def test_waiting_for_a_gpu_tensor_of_torch(monkeypatch):
    torch = pytest.importorskip("torch")
    waited = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: waited.append(1))

    class OnGpu:
        __module__ = "torch"
        device = types.SimpleNamespace(type="cuda")

    device.wait_for([OnGpu(), torch.ones(2)])
    assert waited == [1]


def test_the_torch_device_prefers_cuda_and_never_gives_float64_to_apple(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.torch_device() == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device.torch_device() == "mps"
    assert device.torch_device(double=True) == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert device.torch_device() == "cpu"


def test_the_description_names_processor_cores_and_the_kernels_of_the_matrix_products():
    pytest.importorskip("threadpoolctl")
    text = device.describe()
    assert text.splitlines()[0].startswith("processor  ")
    assert f"{np.__version__}, " in text
    import threadpoolctl

    kernels = {p.get("architecture") for p in threadpoolctl.threadpool_info() if p["user_api"] == "blas"}
    assert any(kernel is None or f"{kernel} kernels" in text for kernel in kernels)


def test_without_a_gpu_the_description_says_how_to_get_one(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    text = device.describe("torch")
    assert f"PyTorch    {torch.__version__}, runs on: processor" in text
    assert "in Colab: Runtime → Change runtime type" in text


def test_keras_is_described_with_its_backend():
    """In a process of its own: TensorFlow and PyTorch do not share one here."""
    pytest.importorskip("keras")
    code = "from common import device; print(device.describe('keras'))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("Keras"))
    assert " on TensorFlow 2." in line or " on PyTorch " in line or " on JAX " in line
    assert "runs on: " in line


def test_a_tensorflow_result_is_waited_for():
    pytest.importorskip("tensorflow")
    code = (
        "import numpy as np, tensorflow as tf; from common import device\n"
        "f = tf.function(lambda x: x @ x)\n"
        "device.wait_for([f(tf.ones((3, 3))), {'v': tf.Variable(1.0)}])\n"
        "import keras; device.wait_for(keras.Variable(np.ones(2)))\n"
        "print(device.measure({'f': lambda: f(tf.ones((3, 3)))}, repeats=2).median('f') > 0)"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "True"


def test_importing_it_loads_nothing_heavy():
    code = "import sys, common.device; print(*{'torch', 'keras', 'tensorflow', 'matplotlib'} & set(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == ""
