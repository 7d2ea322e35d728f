"""A training run for the kill test, in a process of its own.

python training_run.py KIND CHECKPOINT RESULT [DEATH ...]

KIND        generated, minibatches, long (the same with more steps), dropout or torch
CHECKPOINT  the file to go on from, or - for none
RESULT      where the final weights and the history go (.npz)
DEATH       FUNCTION:CALL:WHEN, for example replace:3:before: a child trains until it kills itself with SIGKILL, at this
            call of os.fsync, of os.replace or of the batches' next; write:CALL:halfway with half a file written

Every child goes on from what the one before left behind. The last run, after all deaths, is left to end.
"""

import os
import signal
import sys

import numpy as np

from common import checkpoint
from common.cells import RNN
from common.layers import Dropout, Linear
from common.losses import mean_squared_error
from common.models import SequenceModel
from common.optim import Adam
from common.train import Generated, Minibatches, fit, fit_torch

STEPS, EVERY = {"long": 600}, {"long": 2}


def die_at(function, call, when):
    """Wrap `function`, so that its n-th call is the last thing that this process does (or nearly does)."""
    calls = []

    def wrapped(*args):
        calls.append(args)
        if len(calls) == call and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*args)
        if len(calls) == call and when == "after":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


def open_and_die_writing(call):
    """An `open` for common.checkpoint, whose n-th file gets only half of what is written to it."""
    files = []

    def opened(path, mode):
        file = open(path, mode)  # noqa: SIM115  the caller closes it
        files.append(file)
        return HalfFile(file) if len(files) == call else file

    return opened


class HalfFile:
    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def write(self, data):
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def sample(rng):
    """Add up what comes in: x (T, B, 2), y (B, 1)."""
    x = rng.normal(size=(6, 8, 2))
    return x, x[..., 0].sum(axis=0)[:, None]


class DropoutHead:
    """Dropout, then a linear layer."""

    def __init__(self, H, K):
        self.dropout, self.linear = Dropout(0.3, rng=5), Linear(H, K, rng=6)
        self.params, self.generators = self.linear.params, self.dropout.generators

    @property
    def grads(self):
        return self.linear.grads

    def forward(self, x):
        return self.linear.forward(self.dropout.forward(x))

    def backward(self, grad_y):
        return self.dropout.backward(self.linear.backward(grad_y))


def numpy_run(kind, path, batches):
    head = DropoutHead(5, 1) if kind == "dropout" else Linear(5, 1, rng=2)
    model = SequenceModel(RNN(2, 5, rng=1), head, read="last")
    history = fit(
        model,
        batches,
        mean_squared_error,
        Adam(model.params, 0.02),
        steps=STEPS.get(kind, 60),
        clip=1.0,
        checkpoint=path,
        every=EVERY.get(kind, 4),
        progress=False,
        evaluate=lambda model: {"error": float(np.abs(model.params["head.W"]).sum())},
    )
    return model.params, history


def torch_run(kind, path, batches):
    import torch

    class Model(torch.nn.Module):
        read = "last"

        def __init__(self):
            super().__init__()
            self.rnn, self.dropout, self.head = torch.nn.RNN(2, 5), torch.nn.Dropout(0.3), torch.nn.Linear(5, 1)

        def forward(self, x):
            return self.head(self.dropout(self.rnn(x)[0][-1]))

    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = Model()
    history = fit_torch(
        model,
        batches,
        torch.nn.functional.mse_loss,
        torch.optim.Adam(model.parameters(), 0.02),
        steps=STEPS.get(kind, 60),
        clip=1.0,
        checkpoint=path,
        every=EVERY.get(kind, 4),
        progress=False,
        evaluate=lambda model: {"error": float(model.head.weight.abs().sum())},
    )
    return {name: p.detach().numpy() for name, p in model.state_dict().items()}, history


def train(kind, path, result, death=None):
    if kind == "generated":
        batches = Generated(sample, seed=3)
    else:
        x, y = sample(np.random.default_rng(4))
        batches = Minibatches(np.tile(x, (1, 3, 1)), np.tile(y, (3, 1)), batch_size=7, seed=3)  # 24 examples: 7 7 7 3
    if death:
        function, call, when = death.split(":")
        if function == "write":
            checkpoint.open = open_and_die_writing(int(call))
        else:
            owner = batches if function == "next" else os
            setattr(owner, function, die_at(getattr(owner, function), int(call), when))
    weights, history = torch_run(kind, path, batches) if kind == "torch" else numpy_run(kind, path, batches)
    metrics = np.array(history.metrics["error"])
    np.savez(
        result, losses=history.losses, norms=history.norms, evaluated=history.evaluated, metrics=metrics, **weights
    )


def main(kind, path, result, *deaths):
    path = None if path == "-" else path
    if kind == "torch":
        import torch

        torch.optim.Adam([torch.zeros(1)])  # what PyTorch loads here takes seconds: once, not in every child
    for death in deaths:
        child = os.fork()
        if child == 0:
            train(kind, path, result, death)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            sys.exit(f"{death}: the child ended with status {status} before it could die there")
        checkpoint.load_newest(path)  # raises when no whole checkpoint is left
    print("training", flush=True)
    train(kind, path, result)


if __name__ == "__main__":
    main(*sys.argv[1:])
