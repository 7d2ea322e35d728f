"""One training loop, for the book's NumPy models and for PyTorch modules, that survives being killed.

`fit` repeats: draw a batch, forward, loss, backward, clip, update. With a checkpoint file it saves everything the next
step depends on (parameters, the optimiser's memory, every random generator, the place in the data), so a run that was
killed goes on where it was and ends, on the same machine, with exactly the weights of a run that was not.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from common import checkpoint as checkpoints
from common import checks
from common.batches import Generated, Minibatches
from common.optim import clip_by_norm

__all__ = ["Generated", "History", "Minibatches", "fit", "fit_torch", "no_better"]

Metrics = dict[str, float]


# ---- the record of a run ---------------------------------------------------------------------------------------------


@dataclass
class History:
    """What happened in training, step by step.

    losses     the loss of each step's batch, before the update
    norms      the norm of each step's gradient, before clipping
    evaluated  the steps after which `evaluate` was called
    metrics    name -> what it returned, one value for each of these steps
    ended      "finished", "stopped" (by `stop`) or "interrupted" (by Ctrl-C)
    """

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    evaluated: list[int] = field(default_factory=list)
    metrics: dict[str, list[float]] = field(default_factory=dict)
    ended: str = "finished"

    @property
    def steps(self) -> list[int]:
        """The numbers of the steps, from 1."""
        return list(range(1, len(self.losses) + 1))

    def _add_metrics(self, metrics: Metrics) -> None:
        if not isinstance(metrics, dict):
            raise TypeError(f'evaluate: expected a dictionary, such as {{"error": 0.1}}, got {metrics!r}')
        if self.evaluated and metrics.keys() != self.metrics.keys():
            raise ValueError(f"evaluate: expected the metrics {sorted(self.metrics)} again, got {sorted(metrics)}")
        self.evaluated.append(len(self.losses))
        for name, value in metrics.items():
            self.metrics.setdefault(name, []).append(float(value))

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "losses": np.array(self.losses),
            "norms": np.array(self.norms),
            "evaluated": np.array(self.evaluated, int),
            **{f"metrics.{name}": np.array(values) for name, values in self.metrics.items()},
        }

    @classmethod
    def _from_arrays(cls, arrays: dict[str, np.ndarray]) -> History:
        metrics = {n.removeprefix("metrics."): a.tolist() for n, a in arrays.items() if n.startswith("metrics.")}
        return cls(*(arrays[name].tolist() for name in ("losses", "norms", "evaluated")), metrics)


def no_better(metric: str, evaluations: int) -> Callable[[History], bool]:
    """Early stopping, for `fit(stop=…)`: stop when `metric` was not below its best for this many evaluations in a row.

    Smaller must be better: use an error rate, not an accuracy. The weights stay those of the last step.
    """
    evaluations = checks.positive_int("evaluations", evaluations)

    def stop(history: History) -> bool:
        if metric not in history.metrics:
            raise ValueError(
                f"metric: expected one of {sorted(history.metrics)}, what evaluate returns, got {metric!r}"
            )
        values = history.metrics[metric]
        return len(values) - 1 - int(np.argmin(values)) >= evaluations

    return stop


# ---- training --------------------------------------------------------------------------------------------------------


def fit(
    model,
    batches,
    loss: Callable,
    optimiser,
    *,
    steps: int,
    clip: float | None = None,
    checkpoint: str | os.PathLike | None = None,
    every: int = 100,
    progress: bool = True,
    evaluate: Callable[..., Metrics] | None = None,
    stop: Callable[[History], bool] | None = None,
) -> History:
    """Train a NumPy model, in place, and return its History.

    model       such as common.models.SequenceModel
    batches     Generated, Minibatches, or anything with their three methods
    loss        (prediction, target) -> (loss, gradient), such as common.losses.mean_squared_error; called with `mask=`
                too when a batch has a mask and the model reads every step
    optimiser   from common.optim, made for `model.params`
    steps       how many updates in total, those before a resumption included
    clip        limit the joint norm of the gradients to this
    checkpoint  a file. When it is there, training goes on from it; delete it to start over. It is written every `every`
                steps and at the end
    every       also how often `evaluate` is called
    progress    show a bar on standard error
    evaluate    model -> {"name": value}; it should not draw random numbers that training needs
    stop        asked after every evaluation, for example no_better("error", 5)

    The first Ctrl-C lets the step end, saves, and returns what there is; the second breaks off at once.

    Raises FloatingPointError when the loss or the gradient is no longer finite; the model then has the weights from
    before that step. Raises checkpoint.CheckpointError for a checkpoint that is damaged or not of this model.
    """
    learner = _NumPyLearner(model, loss, optimiser, _limit(clip))
    return _train(learner, batches, steps, checkpoint, every, progress, evaluate, stop)


def fit_torch(
    model,
    batches,
    loss: Callable,
    optimiser,
    *,
    steps: int,
    clip: float | None = None,
    checkpoint: str | os.PathLike | None = None,
    every: int = 100,
    progress: bool = True,
    evaluate: Callable[..., Metrics] | None = None,
    stop: Callable[[History], bool] | None = None,
) -> History:
    """Train a PyTorch module, in place, and return its History. The arguments mean what they mean for `fit`.

    model      called as model(x), or model(x, mask=mask), on tensors of its own device and floating-point type; returns
               the prediction
    batches    of NumPy arrays, as for `fit`; whole numbers become torch.long
    loss       (prediction, target) -> a scalar tensor, such as torch.nn.functional.mse_loss; called with `mask=` too
               when a batch has a mask, unless model.read is "last"
    optimiser  from torch.optim, made for the model's parameters
    evaluate   called in evaluation mode and without gradients; afterwards the model is in training mode again

    Checkpoints hold PyTorch's random generator too (dropout). They are read with NumPy; torch.load is never used.
    """
    learner = _TorchLearner(model, loss, optimiser, _limit(clip))
    return _train(learner, batches, steps, checkpoint, every, progress, evaluate, stop)


@np.errstate(over="ignore", invalid="ignore", divide="ignore")  # `_finite` tells it better, with the step
def _train(learner, batches, steps, path, every, progress, evaluate, stop) -> History:
    steps, every = checks.positive_int("steps", steps), checks.positive_int("every", every)
    for method in ("next", "state", "load_state"):
        if not hasattr(batches, method):
            kind = type(batches).__name__
            raise TypeError(f"batches: expected Generated or Minibatches, got {kind} without .{method}()")
    history = _resume(learner, batches, path)
    if stop and history.evaluated and stop(history):
        history.ended = "stopped"
        return history
    with _bar(steps, len(history.losses), progress) as bar, _interrupt_waits() as interrupt:
        for step in range(len(history.losses) + 1, steps + 1):
            loss = _finite(learner.forward(*batches.next()), "loss", step, learner.limit)
            norm = _finite(learner.backward(), "norm of the gradient", step, learner.limit)
            learner.update()
            history.losses.append(loss)
            history.norms.append(norm)
            if bar is not None:
                bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
                bar.update()
            due = step % every == 0 or step == steps
            if due and evaluate:
                history._add_metrics(learner.evaluate(evaluate))
                if stop and stop(history):
                    history.ended = "stopped"
            if interrupt:
                history.ended = "interrupted"
            if path is not None and (due or interrupt):
                _save(learner, batches, history, path)
            if history.ended != "finished":
                break
    if interrupt:
        saved = "" if path is None else f", saved in {os.fspath(path)}"
        print(f"Interrupted after step {len(history.losses)} of {steps}{saved}.", file=sys.stderr)
    return history


def _finite(value: float, what: str, step: int, limit: float) -> float:
    if not math.isfinite(value):
        advice = (
            "Clip the gradient (clip=1.0) or take a smaller learning rate"
            if limit == math.inf
            else f"The gradient is clipped at {limit:g} already, so take a smaller learning rate, and look for infinite"
            f" or very large numbers in the data"
        )
        raise FloatingPointError(
            f"step {step}: the {what} is {value}, so training has diverged. {advice}."
            " The model has the weights from before this step"
        )
    return float(value)


def _limit(clip: float | None) -> float:
    return math.inf if clip is None else checks.number("clip", clip, 0, math.inf)


def _bar(steps: int, done: int, progress: bool):
    if not progress:
        return contextlib.nullcontext()
    from tqdm import tqdm

    return tqdm(total=steps, initial=done, file=sys.stderr, unit="step")


@contextlib.contextmanager
def _interrupt_waits() -> Iterator[list]:
    """Yield a list that stays empty until Ctrl-C: half an update must not be saved, so the loop looks when it may stop.

    The second Ctrl-C has its ordinary effect. Elsewhere than in the main thread Python delivers none.
    """
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield pressed
        return

    def note(number, frame) -> None:
        pressed.append(number)
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)


# ---- checkpoints -----------------------------------------------------------------------------------------------------


def _save(learner, batches, history: History, path) -> None:
    parts = {"model": learner.model_arrays(), "memory": learner.memory_arrays(), "history": history._arrays()}
    arrays = {f"{part}.{name}": a for part, named in parts.items() for name, a in named.items()}
    checkpoints.save(path, arrays, {**learner.meta(), "batches": batches.state()})


def _resume(learner, batches, path) -> History:
    saved = None if path is None else checkpoints.load_newest(path)
    if saved is None:
        return History()
    arrays, meta = saved
    model, memory, history = (_part(arrays, part) for part in ("model", "memory", "history"))
    _check_same_model(path, model, learner.model_arrays(), meta, learner.meta())
    try:
        batches.load_state(meta["batches"])
    except ValueError as error:
        raise checkpoints.CheckpointError(f"{path} belongs to another run; {error}. {_WHAT_TO_DO}") from None
    learner.load(model, memory, meta)
    return History._from_arrays(history)


_WHAT_TO_DO = "Name another file, or delete this one to start over"


def _part(arrays: dict[str, np.ndarray], part: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(f"{part}."): a for name, a in arrays.items() if name.startswith(f"{part}.")}


def _check_same_model(path, saved: dict, own: dict, saved_meta: dict, own_meta: dict) -> None:
    here, there = ({name: f"{a.shape} {a.dtype}" for name, a in arrays.items()} for arrays in (own, saved))
    here["optimiser"], there["optimiser"] = own_meta["optimiser"], saved_meta.get("optimiser")
    different = [
        f"{name} is {there.get(name, 'missing')} in the file and {here.get(name, 'missing')} here"
        for name in sorted(here.keys() | there.keys())
        if here.get(name) != there.get(name)
    ]
    if different:
        raise checkpoints.CheckpointError(f"{path} belongs to another model: {'; '.join(different[:5])}. {_WHAT_TO_DO}")


# ---- the two kinds of model ------------------------------------------------------------------------------------------


class _NumPyLearner:
    """A NumPy model, its loss and its optimiser, as the loop sees them."""

    def __init__(self, model, loss, optimiser, limit: float):
        own = model.params
        if own.keys() != optimiser.params.keys() or any(optimiser.params[n] is not p for n, p in own.items()):
            raise ValueError("optimiser: it was made for other parameters; make it for this model: Adam(model.params)")
        self.model, self.loss, self.optimiser, self.limit = model, loss, optimiser, limit

    def forward(self, x, y, mask=None) -> float:
        masked = {} if mask is None else {"mask": mask}
        prediction, _ = self.model.forward(x, **masked)
        loss, self._grad = self.loss(prediction, y, **(masked if _reads_every_step(self.model) else {}))
        return loss

    def backward(self) -> float:
        self.model.backward(self._grad)
        self._grads = self.model.grads
        return clip_by_norm(self._grads, self.limit)

    def update(self) -> None:
        self.optimiser.step(self._grads)

    def evaluate(self, evaluate) -> Metrics:
        return evaluate(self.model)

    def model_arrays(self) -> dict[str, np.ndarray]:
        return self.model.params

    def memory_arrays(self) -> dict[str, np.ndarray]:
        return self.optimiser.state()

    def meta(self) -> dict:
        states = [rng.bit_generator.state for rng in self._generators()]
        return {"optimiser": type(self.optimiser).__name__, "generators": states}

    def load(self, model: dict, memory: dict, meta: dict) -> None:
        self.optimiser.load_state(memory)
        for name, p in self.model.params.items():
            p[...] = model[name]
        for rng, state in zip(self._generators(), meta["generators"], strict=True):
            rng.bit_generator.state = state

    def _generators(self) -> tuple[np.random.Generator, ...]:
        return getattr(self.model, "generators", ())


class _TorchLearner:
    """A PyTorch module, its loss and its optimiser, as the loop sees them."""

    def __init__(self, model, loss, optimiser, limit: float):
        import torch

        self.torch = torch
        self.model, self.loss, self.optimiser, self.limit = model, loss, optimiser, limit
        own = {id(p) for p in model.parameters()}
        self.trained = [p for group in optimiser.param_groups for p in group["params"]]
        if any(id(p) not in own for p in self.trained):
            raise ValueError(
                "optimiser: it was made for other parameters; make it for this model: Adam(model.parameters())"
            )
        self.device, self.dtype = self.trained[0].device, self.trained[0].dtype
        model.train()

    def forward(self, x, y, mask=None) -> float:
        self.optimiser.zero_grad()
        masked = {} if mask is None else {"mask": self._tensor(mask)}
        prediction = self.model(self._tensor(x), **masked)
        self._loss = self.loss(prediction, self._tensor(y), **(masked if _reads_every_step(self.model) else {}))
        return self._loss.item()

    def backward(self) -> float:
        self._loss.backward()
        return self.torch.nn.utils.clip_grad_norm_(self.trained, self.limit).item()

    def update(self) -> None:
        self.optimiser.step()

    def evaluate(self, evaluate) -> Metrics:
        self.model.eval()
        with self.torch.no_grad():
            metrics = evaluate(self.model)
        self.model.train()
        return metrics

    def model_arrays(self) -> dict[str, np.ndarray]:
        return {name: _to_numpy(tensor) for name, tensor in self.model.state_dict().items()}

    def memory_arrays(self) -> dict[str, np.ndarray]:
        """The optimiser's tensors as "0.exp_avg", …, by the parameter's number, and the random generators."""
        state = self.optimiser.state_dict()["state"]
        tensors = {f"{i}.{key}": t for i, named in state.items() for key, t in named.items() if t is not None}
        return {name: _to_numpy(t) for name, t in (tensors | self._generators()).items()}

    def meta(self) -> dict:
        return {"optimiser": type(self.optimiser).__name__}

    def load(self, model: dict, memory: dict, meta: dict) -> None:
        with self.torch.no_grad():
            for name, tensor in self.model.state_dict().items():
                tensor.copy_(self.torch.from_numpy(model[name]))
        state: dict[int, dict] = {}
        for name, array in memory.items():
            number, _, key = name.partition(".")
            if number != "generator":
                state.setdefault(int(number), {})[key] = self.torch.from_numpy(array)
        # The settings (learning rate, …) stay those of the program, as for the NumPy optimisers.
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": state})
        self.torch.set_rng_state(self.torch.from_numpy(memory["generator.cpu"]))
        accelerator = f"generator.{self.device.type}"
        if self.device.type != "cpu" and accelerator in memory:
            getattr(self.torch, self.device.type).set_rng_state(self.torch.from_numpy(memory[accelerator]))

    def _generators(self) -> dict:
        states = {"generator.cpu": self.torch.get_rng_state()}
        if self.device.type != "cpu":
            states[f"generator.{self.device.type}"] = getattr(self.torch, self.device.type).get_rng_state()
        return states

    def _tensor(self, array: np.ndarray):
        tensor = self.torch.as_tensor(array, device=self.device)
        if tensor.is_floating_point():
            return tensor.to(self.dtype)
        return tensor if tensor.dtype == self.torch.bool else tensor.long()


def _reads_every_step(model) -> bool:
    return getattr(model, "read", "every") == "every"


def _to_numpy(tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
