"""The training loop: it learns, it reports, it stops when it should, and no kill can change where it ends."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import checkpoint
from common.cells import RNN
from common.checkpoint import CheckpointError
from common.layers import Linear
from common.losses import mean_squared_error, softmax_cross_entropy
from common.models import SequenceModel
from common.optim import SGD, Adam
from common.train import Generated, Minibatches, fit, fit_torch, no_better

PROBE = Path(__file__).parent / "probes" / "training_run.py"
T, B, D, H = 5, 4, 2, 6


def sample(rng):
    x = rng.normal(size=(T, B, D))
    return x, np.cumsum(x[..., :1], axis=0)


def model_of(seed=0, read="every", H=H, activation="tanh"):
    return SequenceModel(RNN(D, H, activation=activation, rng=seed), Linear(H, 1, rng=seed), read=read)


def run(model=None, batches=None, optimiser=None, *, steps=20, progress=False, loss=mean_squared_error, **options):
    """A short run: (model, history)."""
    model = model or model_of()
    optimiser = optimiser or Adam(model.params, 0.01)
    batches = batches or Generated(sample, 1)
    return model, fit(model, batches, loss, optimiser, steps=steps, progress=progress, **options)


def bits(model):
    return {name: p.tobytes() for name, p in model.params.items()}


# ---- what a run does -------------------------------------------------------------------------------------------------


def test_it_learns():
    _, history = run(steps=300, clip=5.0)
    assert np.mean(history.losses[-20:]) < 0.2 * np.mean(history.losses[:5])


def test_it_learns_classes_from_a_data_set():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(T, 64, D))
    labels = (x[-1, :, 0] > 0).astype(int)
    model = SequenceModel(RNN(D, H, rng=0), Linear(H, 2, rng=0), read="last")

    def error(model):
        return {"error": (model.forward(x)[0].argmax(axis=-1) != labels).mean()}

    _, history = run(
        model,
        Minibatches(x, labels, 16, 0),
        Adam(model.params, 0.05),
        steps=100,
        loss=softmax_cross_entropy,
        evaluate=error,
    )
    assert history.metrics["error"][-1] < 0.05
    assert history.losses[-1] < np.log(2) / 3


def test_it_is_the_loop_one_would_write_by_hand():
    model, batches = model_of(), Generated(sample, 1)
    optimiser, losses = SGD(model.params, 0.05), []
    for _ in range(7):
        x, y = batches.next()
        prediction, _ = model.forward(x)
        loss, gradient = mean_squared_error(prediction, y)
        model.backward(gradient)
        optimiser.step(model.grads)
        losses.append(loss)
    other = model_of()
    _, history = run(other, optimiser=SGD(other.params, 0.05), steps=7)
    assert history.losses == losses
    assert bits(other) == bits(model)


def test_the_history_holds_every_step_and_every_evaluation():
    model, history = run(steps=25, every=10, evaluate=lambda m: {"bias": m.params["head.b"][0], "one": 1})
    assert history.steps == list(range(1, 26))
    assert len(history.losses) == len(history.norms) == 25
    assert all(type(value) is float for value in history.losses + history.norms)
    assert history.evaluated == [10, 20, 25]
    assert history.metrics["bias"][-1] == model.params["head.b"][0]
    assert history.metrics["one"] == [1.0, 1.0, 1.0]
    assert history.ended == "finished"


def test_the_norm_is_recorded_before_clipping_and_clipping_acts():
    limit = 1e-3
    _, history = run(steps=1)
    clipped = model_of()
    before = {name: p.copy() for name, p in clipped.params.items()}
    _, clipped_history = run(clipped, optimiser=SGD(clipped.params, 1.0), steps=1, clip=limit)
    assert clipped_history.norms == history.norms
    assert history.norms[0] > 0.1
    moved = np.sqrt(sum(((clipped.params[name] - p) ** 2).sum() for name, p in before.items()))
    assert moved == pytest.approx(limit, rel=1e-2)


def test_a_masked_batch_reaches_the_model_and_where_it_belongs_the_loss():
    mask = np.arange(T)[:, None] < np.array([5, 1, 3, 2])

    def masked(rng):
        x, y = sample(rng)
        x[~mask] = y[~mask] = 77.0  # would spoil everything if it were looked at
        return x, y, mask

    def masked_last(rng):
        x, y, _ = masked(rng)
        return x, y[mask.sum(axis=0) - 1, np.arange(B)], mask

    _, every = run(batches=Generated(masked, 1), steps=5)
    _, last = run(model_of(read="last"), batches=Generated(masked_last, 1), steps=5)
    assert max(every.losses + last.losses) < 20


def test_nothing_on_standard_output_and_the_bar_on_standard_error(capfd):
    run(steps=30, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "30/30" in shown.err
    assert "loss " in shown.err
    run(steps=3)
    assert capfd.readouterr() == ("", "")


def test_early_stopping():
    values = iter([5, 4, 4, 3, 3, 3.5, 9, 9, 9])
    stop = no_better("error", 2)
    _, history = run(steps=100, every=2, evaluate=lambda m: {"error": next(values)}, stop=stop)
    assert history.metrics["error"] == [5, 4, 4, 3, 3, 3.5]
    assert history.evaluated[-1] == len(history.losses) == 12
    assert history.ended == "stopped"
    with pytest.raises(ValueError, match=r"metric: expected one of \['error'\].* got 'accuracy'"):
        no_better("accuracy", 2)(history)


def test_a_run_that_stopped_early_stays_stopped(tmp_path):
    values = iter([1, 2, 3, 4])
    options = {"every": 2, "stop": no_better("error", 2), "checkpoint": tmp_path / "c"}
    model, history = run(steps=50, evaluate=lambda m: {"error": next(values)}, **options)
    again, resumed = run(steps=50, evaluate=lambda m: {"error": 0.0}, **options)
    assert (resumed.ended, resumed.losses) == ("stopped", history.losses)
    assert bits(again) == bits(model)


# ---- when training goes wrong ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_divergence_names_the_step_and_a_way_out(activation):
    model = model_of(activation=activation)
    with pytest.raises(FloatingPointError, match=r"step \d+: the (loss|norm of the gradient) is (nan|inf)") as caught:
        run(model, optimiser=SGD(model.params, 1e4), steps=1000)
    assert "Clip the gradient (clip=1.0) or take a smaller learning rate" in str(caught.value)
    assert all(np.isfinite(p).all() for p in model.params.values())


def test_divergence_under_clipping_does_not_advise_to_clip():
    """A gradient that is clipped already: the loss itself is not finite."""
    model = model_of()

    def loss(prediction, y):
        return np.inf, np.ones_like(prediction)

    with pytest.raises(FloatingPointError, match="the loss is inf") as caught:
        run(model, loss=loss, clip=1.0, steps=3)
    assert "The gradient is clipped at 1 already, so take a smaller learning rate" in str(caught.value)
    assert "clip=1.0" not in str(caught.value)


@pytest.mark.parametrize(("bad_step", "gradient"), [(1, 0.0), (4, 0.0), (3, np.nan)])
def test_the_weights_from_before_the_bad_step_are_kept(bad_step, gradient):
    calls = []

    def loss(prediction, y):
        calls.append(1)
        value, grad = mean_squared_error(prediction, y)
        if len(calls) == bad_step:
            return (value, grad * gradient) if gradient else (np.inf, grad)
        return value, grad

    model = model_of()
    before, _ = run(steps=bad_step - 1) if bad_step > 1 else (model_of(), None)
    error = ValueError if gradient else FloatingPointError  # the cell itself refuses a gradient that is not a number
    with pytest.raises(error, match=f"step {bad_step}: the loss is inf" if not gradient else "finite"):
        run(model, loss=loss, steps=9)
    assert bits(model) == bits(before)


def test_a_model_of_another_optimiser_is_seen():
    with pytest.raises(ValueError, match=r"optimiser: it was made for other parameters; .*Adam\(model\.params\)"):
        run(model_of(), optimiser=Adam(model_of().params))


def test_bad_input_is_named():
    model = model_of()
    with pytest.raises(ValueError, match="steps: expected a whole number of at least 1, got 0"):
        run(steps=0)
    with pytest.raises(TypeError, match=r"every: expected a whole number of at least 1, got 2\.5"):
        run(every=2.5)
    with pytest.raises(ValueError, match=r"clip: expected a number in \(0, inf\), got 0"):
        run(clip=0)
    with pytest.raises(TypeError, match=r"batches: expected Generated or Minibatches, got list without \.next\(\)"):
        run(batches=[sample(np.random.default_rng(0))])
    with pytest.raises(TypeError, match="evaluate: expected a dictionary"):
        run(evaluate=lambda m: 0.5)
    named = iter([{"a": 1}, {"b": 1}])
    with pytest.raises(ValueError, match=r"evaluate: expected the metrics \['a'\] again, got \['b'\]"):
        run(every=10, evaluate=lambda m: next(named))
    with pytest.raises(ValueError, match=r"target: expected 3 axes \(5, 4, 1\), got 2"):
        run(model, Generated(lambda rng: (sample(rng)[0], np.ones((B, 1))), 0))
    with pytest.raises(TypeError, match=r"sample: expected it to return .* got ndarray"):
        run(model, Generated(lambda rng: sample(rng)[0], 0))


# ---- batches ---------------------------------------------------------------------------------------------------------


def test_generated_batches_come_from_the_seed():
    first, again, other = Generated(sample, 7), Generated(sample, 7), Generated(sample, 8)
    for _ in range(3):
        x, _ = first.next()
        np.testing.assert_array_equal(again.next()[0], x)
        assert (other.next()[0] != x).all()


@given(N=st.integers(1, 12), batch_size=st.integers(1, 12), axis=st.integers(0, 1), seed=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_an_epoch_shows_every_example_once_with_its_own_target(N, batch_size, axis, seed):
    if batch_size > N:
        batch_size = N
    x = (
        np.broadcast_to(np.arange(N, dtype=float)[:, None], (N, 2))
        if axis == 0
        else np.tile(np.arange(float(N)), (3, 1))
    )
    batches = Minibatches(x, -np.arange(N), batch_size, seed, axis)
    for _ in range(2):
        seen = []
        for _ in range(len(batches)):
            bx, by = batches.next()
            assert bx.shape[axis] == len(by) <= batch_size
            np.testing.assert_array_equal(bx.take(0, 1 - axis), -by)
            seen.extend(-by)
        assert sorted(seen) == list(range(N))


@given(st.integers(0, 25), st.integers(1, 7), st.integers(0, 20))
@settings(deadline=None, max_examples=40)
def test_saved_batches_go_on_where_they_were(before, batch_size, seed):
    import json

    x = np.arange(14.0).reshape(1, 7, 2)
    for make in (lambda s: Minibatches(x, x, batch_size, s), lambda s: Generated(sample, s)):
        batches, fresh = make(seed), make(seed + 1)
        for _ in range(before):
            batches.next()
        fresh.load_state(json.loads(json.dumps(batches.state())))
        for _ in range(9):
            np.testing.assert_array_equal(fresh.next()[0], batches.next()[0])


def test_targets_a_step_targets_a_sequence_and_masks():
    x = np.zeros((3, 8, 2))
    shapes = [a.shape for a in Minibatches(x, np.zeros((3, 8, 1)), 4, 0, mask=np.ones((3, 8), bool)).next()]
    assert shapes == [(3, 4, 2), (3, 4, 1), (3, 4)]
    assert Minibatches(x, np.zeros(8), 4, 0).next()[1].shape == (4,)
    assert Minibatches(x, np.zeros((8, 5)), 4, 0).next()[1].shape == (4, 5)
    assert Minibatches(x, np.zeros((3, 8), int), 4, 0).next()[1].shape == (3, 4)


def test_epochs_differ_in_order():
    batches = Minibatches(np.arange(50.0)[None], np.arange(50), 50, 0)
    assert (batches.next()[1] != batches.next()[1]).any()


def test_bad_batches_are_named():
    x, y = np.zeros((3, 8, 2)), np.zeros(8)
    with pytest.raises(ValueError, match="batch_size: expected at most the 8 examples of x, got 9"):
        Minibatches(x, y, 9, 0)
    with pytest.raises(ValueError, match=r"y: expected a target a step, \(3, 8, '…'\), or .* got \(7,\)"):
        Minibatches(x, np.zeros(7), 4, 0)
    with pytest.raises(ValueError, match=r"axis: expected an axis of x, which has shape \(3, 8, 2\), got 3"):
        Minibatches(x, y, 4, 0, axis=3)
    with pytest.raises(TypeError, match="y: expected a NumPy array, got list"):
        Minibatches(x, [0] * 8, 4, 0)
    with pytest.raises(ValueError, match=r"mask: expected shape \(3, 8\), got \(8, 3\)"):
        Minibatches(x, y, 4, 0, mask=np.ones((8, 3), bool))
    with pytest.raises(ValueError, match="batch_size: expected a whole number of at least 1, got 0"):
        Minibatches(x, y, 0, 0)
    for seed in (-1, 1.5, None):
        with pytest.raises(TypeError, match="seed: expected a whole number of at least 0"):
            Generated(sample, seed)
    with pytest.raises(ValueError, match=r"state: it belongs to other batches; .*'examples': 8.*'examples': 4"):
        Minibatches(x, y, 4, 0).load_state(Minibatches(x[:, :4], y[:4], 4, 0).state())
    with pytest.raises(ValueError, match="state: it belongs to other batches"):
        Generated(sample, 0).load_state(Minibatches(x, y, 4, 0).state())


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def test_a_longer_run_goes_on_and_a_finished_one_returns_at_once(tmp_path):
    whole, history = run(steps=30)
    run(steps=12, checkpoint=tmp_path / "c", every=5)
    resumed, resumed_history = run(model_of(seed=9), steps=30, checkpoint=tmp_path / "c")
    assert bits(resumed) == bits(whole)
    assert (resumed_history.losses, resumed_history.norms) == (history.losses, history.norms)
    again, again_history = run(model_of(seed=8), steps=30, checkpoint=tmp_path / "c")
    assert bits(again) == bits(whole)
    assert again_history.losses == history.losses


def test_a_damaged_checkpoint_costs_steps_but_not_the_result(tmp_path):
    whole, _ = run(steps=30)
    path = tmp_path / "run.checkpoint"
    run(steps=20, checkpoint=path, every=8)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.warns(UserWarning, match=r"run\.checkpoint is damaged.*Going on from .*previous"):
        resumed, _ = run(model_of(seed=9), steps=30, checkpoint=path)
    assert bits(resumed) == bits(whole)


def test_the_last_steps_are_saved_too(tmp_path):
    run(steps=7, checkpoint=tmp_path / "c", every=5)
    assert len(checkpoint.load(tmp_path / "c")[0]["history.losses"]) == 7


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: {"model": model_of(H=3)}, r"cell\.W_h is \(6, 6\) float64 in the file and \(3, 3\) float64 here"),
        (
            lambda: {"model": SequenceModel(RNN(D, H, bias=False), Linear(H, 1))},
            r"cell\.b is \(6,\) float64 in the file and missing here",
        ),
        (
            lambda: {
                "model": SequenceModel(RNN(D, H, dtype=np.float32), Linear(H, 1, dtype=np.float32)),
            },
            r"cell\.W_h is \(6, 6\) float64 in the file and \(6, 6\) float32 here",
        ),
        (lambda: {"optimiser": "SGD"}, "optimiser is Adam in the file and SGD here"),
        (lambda: {"batches": Minibatches(np.zeros((T, 8, D)), np.zeros((T, 8, 1)), 4, 0)}, "run; state: it belongs to"),
    ],
    ids=["size", "names", "dtype", "optimiser", "batches"],
)
def test_the_checkpoint_of_something_else_is_refused_and_nothing_is_changed(tmp_path, other, message):
    path = tmp_path / "run.checkpoint"
    run(steps=3, checkpoint=path)
    options = {"model": model_of(seed=5), **other()}
    if options.get("optimiser") == "SGD":
        options["optimiser"] = SGD(options["model"].params, 0.1)
    before = bits(options["model"])
    with pytest.raises(CheckpointError, match=r"run\.checkpoint belongs to another .*" + message) as caught:
        run(steps=5, checkpoint=path, **options)
    assert "Name another file, or delete this one to start over" in str(caught.value)
    assert bits(options["model"]) == before


def test_an_interrupt_ends_the_step_saves_and_returns(tmp_path, capsys, ctrl_c):
    whole, _ = run(steps=30)
    path = tmp_path / "run.checkpoint"

    def interrupted(rng, calls=[]):  # noqa: B006
        calls.append(1)
        if len(calls) == 11:
            signal.raise_signal(signal.SIGINT)
        return sample(rng)

    before = signal.getsignal(signal.SIGINT)
    _, history = run(batches=Generated(interrupted, 1), steps=30, checkpoint=path)
    assert signal.getsignal(signal.SIGINT) is before
    assert (history.ended, len(history.losses)) == ("interrupted", 11)
    assert f"Interrupted after step 11 of 30, saved in {path}." in capsys.readouterr().err
    resumed, history = run(model_of(seed=9), steps=30, checkpoint=path)
    assert history.ended == "finished"
    assert bits(resumed) == bits(whole)


def test_the_second_interrupt_breaks_off_at_once(ctrl_c):
    def twice(rng):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return sample(rng)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(batches=Generated(twice, 1))
    assert signal.getsignal(signal.SIGINT) is before


def test_it_trains_outside_the_main_thread():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        _, history = pool.submit(run, steps=3).result()
    assert len(history.losses) == 3


# ---- killed ----------------------------------------------------------------------------------------------------------


def start(kind, path, result, *deaths):
    command = [sys.executable, str(PROBE), kind, str(path), str(result), *deaths]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finish(kind, path, result, *deaths):
    """name -> the bytes of every weight and of the history, after a run that died all these deaths first."""
    process = start(kind, path, result, *deaths)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    with np.load(result) as file:
        return {name: file[name].tobytes() for name in file.files}


# A save writes one file, and from the second save on two, first the checkpoint before it. For each it calls os.fsync
# (the file), os.replace, and os.fsync again (the folder).
DEATHS = [
    "next:1:before",
    "next:3:before",
    "write:1:halfway",  # the very first save
    "fsync:1:before",
    "replace:1:before",
    "next:6:after",  # between two saves
    "replace:1:after",
    "write:1:halfway",
    "write:2:halfway",
    "replace:2:before",
    "replace:2:after",
    "write:3:halfway",
    "fsync:5:before",
    "fsync:9:after",
]


@pytest.mark.parametrize("kind", ["generated", "minibatches", "dropout", "torch"])
def test_killed_at_chosen_moments_it_ends_with_the_same_bits(kind, tmp_path):
    if kind == "torch":
        pytest.importorskip("torch")
    never_killed = finish(kind, "-", tmp_path / "whole.npz")
    assert finish(kind, tmp_path / "run.checkpoint", tmp_path / "result.npz", *DEATHS) == never_killed


def test_killed_at_random_moments_it_ends_with_the_same_bits(tmp_path):
    path, result = tmp_path / "run.checkpoint", tmp_path / "result.npz"
    moments = random.Random(0)
    for _ in range(8):
        before = path.stat().st_mtime_ns if path.exists() else None
        process = start("long", path, result)
        while not path.exists() or path.stat().st_mtime_ns == before:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        time.sleep(moments.uniform(0, 0.02))  # a save takes some milliseconds: some of these moments are in one
        process.kill()
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        assert checkpoint.load_newest(path) is not None
    assert finish("long", path, result) == finish("long", "-", tmp_path / "whole.npz")


# ---- PyTorch ---------------------------------------------------------------------------------------------------------


def torch_model(H=5, masked=False):
    torch = pytest.importorskip("torch")

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.head = torch.nn.RNN(D, H), torch.nn.Linear(H, 1)
            self.masks = []

        def forward(self, x, mask=None):
            self.masks.append(mask)
            return self.head(self.rnn(x)[0])

    torch.manual_seed(0)
    return Model()


def torch_run(model, *, batches=None, optimiser=None, loss=None, steps=5, **options):
    import torch

    return fit_torch(
        model,
        batches or Generated(sample, 1),
        loss or torch.nn.functional.mse_loss,
        optimiser or torch.optim.Adam(model.parameters(), 0.01),
        steps=steps,
        progress=False,
        **options,
    )


def test_pytorch_learns_and_is_the_loop_one_would_write_by_hand():
    torch = pytest.importorskip("torch")
    model, batches, losses = torch_model(), Generated(sample, 1), []
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    for _ in range(30):
        x, y = (torch.tensor(a, dtype=torch.float32) for a in batches.next())
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        losses.append(loss.item())
    other = torch_model()
    history = torch_run(
        other, optimiser=torch.optim.SGD(other.parameters(), 0.05, momentum=0.9), steps=30, clip=1.0, every=7
    )
    assert history.losses == losses
    assert all(torch.equal(p, q) for p, q in zip(model.parameters(), other.parameters(), strict=True))
    assert losses[-1] < losses[0]


def test_both_loops_train_the_same_network():
    """One model, twice: the NumPy loop and the PyTorch loop, in float64, from the same weights and the same batches."""
    torch = pytest.importorskip("torch")
    ours, theirs = model_of(H=5), torch_model().double()
    with torch.no_grad():
        for name, p in (("weight_ih_l0", "cell.W_x"), ("weight_hh_l0", "cell.W_h"), ("bias_ih_l0", "cell.b")):
            getattr(theirs.rnn, name).copy_(torch.tensor(ours.params[p].T))
        theirs.rnn.bias_hh_l0.zero_()
        theirs.rnn.bias_hh_l0.requires_grad_(False)  # ours has one bias
        theirs.head.weight.copy_(torch.tensor(ours.params["head.W"].T))
        theirs.head.bias.copy_(torch.tensor(ours.params["head.b"]))
    trained = [p for p in theirs.parameters() if p.requires_grad]
    their_history = torch_run(theirs, optimiser=torch.optim.Adam(trained, 0.01), steps=50, clip=0.5)
    _, our_history = run(ours, steps=50, clip=0.5)
    np.testing.assert_allclose(our_history.losses, their_history.losses, rtol=1e-9)
    np.testing.assert_allclose(our_history.norms, their_history.norms, rtol=1e-9)


def test_pytorch_evaluates_in_evaluation_mode_without_gradients():
    torch = pytest.importorskip("torch")
    seen = []

    def evaluate(model):
        seen.append((model.training, torch.is_grad_enabled()))
        return {"error": 1}

    model = torch_model()
    torch_run(model, evaluate=evaluate, every=2)
    assert seen == [(False, False)] * 3
    assert model.training


def test_pytorch_gets_masks_whole_numbers_and_its_own_float_type():
    torch = pytest.importorskip("torch")
    seen = []

    def loss(prediction, y, mask):
        seen.append((prediction.dtype, y.dtype, mask.dtype))
        return (prediction[..., 0] - y)[mask].square().mean()

    mask = np.ones((T, B), bool)
    batches = Generated(lambda rng: (sample(rng)[0], rng.integers(0, 3, (T, B), dtype=np.int32), mask), 0)
    model = torch_model()
    torch_run(model, batches=batches, loss=loss, steps=1)
    assert seen == [(torch.float32, torch.long, torch.bool)]
    assert model.masks[0].dtype == torch.bool


def test_pytorch_divergence_and_foreign_checkpoints(tmp_path):
    torch = pytest.importorskip("torch")
    model = torch_model()
    with pytest.raises(FloatingPointError, match=r"step \d+: the (loss|norm of the gradient) is (nan|inf)"):
        torch_run(model, optimiser=torch.optim.SGD(model.parameters(), 1e30), steps=50)
    assert all(torch.isfinite(p).all() for p in model.parameters())
    with pytest.raises(
        ValueError, match=r"optimiser: it was made for other parameters; .*Adam\(model\.parameters\(\)\)"
    ):
        torch_run(torch_model(), optimiser=torch.optim.Adam(model.parameters()))
    path = tmp_path / "run.checkpoint"
    torch_run(torch_model(), checkpoint=path)
    other = torch_model(H=3)
    with pytest.raises(
        CheckpointError, match=r"belongs to another model: .*head\.weight is \(1, 5\) float32 in the file"
    ):
        torch_run(other, checkpoint=path)
    with pytest.raises(CheckpointError, match="belongs to another model"):
        run(steps=3, checkpoint=path)


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "AdamW", "Adagrad", "SGD"])
def test_pytorch_optimisers_resume_bit_for_bit(tmp_path, name):
    torch = pytest.importorskip("torch")

    def make(model):
        return getattr(torch.optim, name)(model.parameters(), 0.02, **({"momentum": 0.9} if name == "SGD" else {}))

    whole = torch_model()
    torch_run(whole, optimiser=make(whole), steps=9)
    first, resumed = torch_model(), torch_model()
    torch_run(first, optimiser=make(first), steps=4, checkpoint=tmp_path / "c")
    with torch.no_grad():
        for p in resumed.parameters():
            p.zero_()
    torch_run(resumed, optimiser=make(resumed), steps=9, checkpoint=tmp_path / "c")
    assert all(torch.equal(p, q) for p, q in zip(whole.parameters(), resumed.parameters(), strict=True))


# ---- weight of the imports -------------------------------------------------------------------------------------------


def test_importing_loads_nothing_heavy():
    modules = ["gradcheck", "losses", "layers", "models", "optim", "checkpoint", "batches", "train"]
    code = f"""
import sys
from common import {", ".join(modules)}
heavy = {{"torch", "keras", "tensorflow", "matplotlib", "sklearn", "statsmodels", "pooch", "tqdm"}}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
