"""Optimisers and gradient clipping, step for step what PyTorch computes.

An optimiser is made for a dictionary of parameters and changes these arrays in place. The literature and the libraries
disagree on details (where momentum meets the learning rate, where ε stands); each class says what it does. Here p is a
parameter, g its gradient, η the learning rate, and every product, square and root is taken entry by entry.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from common import checks

Arrays = dict[str, np.ndarray]


class Optimiser(ABC):
    """What every optimiser has in common: its parameters, its memory of earlier gradients, and the state to save.

    The learning rate and the other settings belong to the program, not to the state. `learning_rate` may be changed
    between steps.
    """

    memories: tuple[str, ...]  # what a subclass remembers for each parameter, an array of the parameter's shape

    def __init__(self, params: Arrays, learning_rate: float):
        if not isinstance(params, dict) or not params:
            raise TypeError(f"params: expected a dictionary of arrays, such as model.params, got {params!r}")
        for name, p in params.items():
            checks.array(f"params[{name!r}]", p)
        self.params = dict(params)
        self.learning_rate = checks.number("learning_rate", learning_rate, 0, np.inf)
        self.steps = 0
        self.memory = {m: {name: np.zeros_like(p) for name, p in params.items()} for m in self.memories}

    def step(self, grads: Arrays) -> None:
        """Change the parameters in place. `grads` must have their names and shapes; ValueError otherwise."""
        if grads.keys() != self.params.keys():
            raise ValueError(f"grads: expected the names {sorted(self.params)}, got {sorted(grads)}")
        for name, p in self.params.items():
            checks.array(f"grads[{name!r}]", grads[name], p.shape, dtype=p.dtype)
            checks.writeable(f"params[{name!r}]", p)
        self.steps += 1
        for name, p in self.params.items():
            self._update(p, grads[name], *(self.memory[m][name] for m in self.memories))

    def state(self) -> Arrays:
        """Everything the next step depends on besides the parameters and the settings: copies, by name."""
        copies = {f"{m}.{name}": a.copy() for m in self.memories for name, a in self.memory[m].items()}
        return {"steps": np.array(self.steps), **copies}

    def load_state(self, state: Arrays) -> None:
        """Go on from a saved `state()`. ValueError, and nothing changed, when it belongs to another optimiser."""
        own = self.state()
        if _shapes(state) != _shapes(own):
            raise ValueError(
                "state: it belongs to another optimiser or to other parameters;"
                f" expected {_shapes(own)}, got {_shapes(state)}"
            )
        self.steps = int(state["steps"])
        for m in self.memories:
            for name, a in self.memory[m].items():
                a[...] = state[f"{m}.{name}"]

    @abstractmethod
    def _update(self, p: np.ndarray, g: np.ndarray, *memory: np.ndarray) -> None:
        """Change p, and what is remembered for it, in place."""


class SGD(Optimiser):
    """Gradient descent with momentum μ: v ← μ v + g, p ← p − η v; with `nesterov`, p ← p − η (g + μ v).

    As torch.optim.SGD: the learning rate multiplies the velocity v, so a new rate acts at once. (Keras, and Sutskever
    et al. 2013, put it inside: v ← μ v − η g, p ← p + v. The two are the same as long as η stays the same.) μ = 0 is
    plain gradient descent. Nesterov's variant takes the share of the next velocity in advance; it needs μ > 0.
    """

    memories = ("velocity",)

    def __init__(self, params: Arrays, learning_rate: float, momentum: float = 0.0, *, nesterov: bool = False):
        super().__init__(params, learning_rate)
        self.momentum = checks.number("momentum", momentum, 0, 1, low_allowed=True)
        if nesterov and not self.momentum:
            raise ValueError("momentum: expected a number above 0 with nesterov=True, got 0")
        self.nesterov = bool(nesterov)

    def _update(self, p, g, v):
        v *= self.momentum
        v += g
        p -= self.learning_rate * (g + self.momentum * v if self.nesterov else v)


class RMSProp(Optimiser):
    """Divide each gradient by its recent size: s ← ρ s + (1 − ρ) g², p ← p − η g / (√s + ε).

    As torch.optim.RMSprop: ε stands outside the root and ρ is 0.99 by default. (Keras: inside the root, 0.9.) From
    Tieleman and Hinton (2012), lecture 6e of a course.
    """

    memories = ("square",)

    def __init__(self, params: Arrays, learning_rate: float = 0.01, decay: float = 0.99, epsilon: float = 1e-8):
        super().__init__(params, learning_rate)
        self.decay = checks.number("decay", decay, 0, 1, low_allowed=True)
        self.epsilon = checks.number("epsilon", epsilon, 0, np.inf)

    def _update(self, p, g, s):
        s *= self.decay
        s += (1 - self.decay) * g**2
        p -= self.learning_rate * g / (np.sqrt(s) + self.epsilon)


class Adam(Optimiser):
    """Momentum over size: m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², p ← p − η m̂ / (√v̂ + ε).

    m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ) undo the start from zero; t counts the steps. As torch.optim.Adam and
    algorithm 1 of Kingma and Ba (2015): ε is added to √v̂. (Keras adds it to √v before the correction, and takes 1e-7.)
    """

    memories = ("mean", "square")

    def __init__(
        self,
        params: Arrays,
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ):
        super().__init__(params, learning_rate)
        self.betas = tuple(checks.number("betas", beta, 0, 1, low_allowed=True) for beta in betas)
        self.epsilon = checks.number("epsilon", epsilon, 0, np.inf)

    def _update(self, p, g, m, v):
        beta1, beta2 = self.betas
        m *= beta1
        m += (1 - beta1) * g
        v *= beta2
        v += (1 - beta2) * g**2
        m_hat = m / (1 - beta1**self.steps)
        v_hat = v / (1 - beta2**self.steps)
        p -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


class AdamW(Adam):
    """Adam with weight decay λ beside it: p ← p − η λ p first, then the step of Adam.

    The decay does not pass through m and v, as it would if λ p were added to the gradient (Loshchilov and Hutter,
    2019). As torch.optim.AdamW, whose default for λ is 0.01 too; it decays every parameter, biases included.
    """

    def __init__(
        self,
        params: Arrays,
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(params, learning_rate, betas, epsilon)
        self.weight_decay = checks.number("weight_decay", weight_decay, 0, np.inf, low_allowed=True)

    def _update(self, p, g, m, v):
        p *= 1 - self.learning_rate * self.weight_decay
        super()._update(p, g, m, v)


def clip_by_value(grads: Arrays, limit: float) -> None:
    """Cut every entry of every gradient to at most `limit` in size, in place.

    Each entry by itself, so the direction of the step changes. As torch.nn.utils.clip_grad_value_. NaN stays NaN.
    """
    checks.number("limit", limit, 0, np.inf)
    _to_be_changed(grads)
    for g in grads.values():
        np.clip(g, -limit, limit, out=g)


def clip_by_norm(grads: Arrays, max_norm: float = np.inf) -> float:
    """Shrink all gradients together, in place, so that their joint norm is at most `max_norm`; return the norm before.

    One norm over all parameters and one factor for all: the direction of the step stays, only its length is limited
    (Pascanu, Mikolov and Bengio 2013). As torch.nn.utils.clip_grad_norm_, down to the 1e-6 in the denominator. A norm
    that is not finite is returned, and the gradients are left as they are. Without `max_norm` it only measures.
    """
    if max_norm != np.inf:
        checks.number("max_norm", max_norm, 0, np.inf)
    for name, g in grads.items():
        checks.not_masked(f"grads[{name!r}]", g)
    norm = float(np.sqrt(sum(float(np.vdot(g, g)) for g in grads.values())))
    if np.isfinite(norm) and norm + 1e-6 > max_norm:
        _to_be_changed(grads)
        for g in grads.values():
            g *= max_norm / (norm + 1e-6)  # CLIP.1
    return norm


def _to_be_changed(grads: Arrays) -> None:
    """Raise for an array that cannot be changed in place, before any of the others is."""
    for name, g in grads.items():
        checks.not_masked(f"grads[{name!r}]", g)
        checks.writeable(f"grads[{name!r}]", g)


def _shapes(arrays: Arrays) -> dict[str, tuple[int, ...]]:
    return {name: np.shape(a) for name, a in arrays.items()}
