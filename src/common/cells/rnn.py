"""The plain recurrent network (Elman 1990) in NumPy."""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells.base import RecurrentCell, State, _rows


class RNN(RecurrentCell):
    """h_t = φ(x_t W_x + h_{t-1} W_h + b), with φ = tanh or ReLU.

    One matrix product a step; x_t W_x is one product for all steps before the loop starts. The same
    function as torch.nn.RNN (whose two biases are summed here) and keras.layers.SimpleRNN.

    input_size D, hidden_size H; `activation` "tanh" or "relu"; `bias=False` leaves b out; `dtype` float64 or float32;
    `rng` a NumPy generator or a seed for the starting weights (W_x Glorot uniform, W_h orthogonal, b zero: Keras'
    defaults). Parameters: W_x (D, H), W_h (H, H), b (H,).
    """

    state_names = ("h",)
    blocks = 1

    def __init__(self, input_size, hidden_size, *, activation="tanh", bias=True, dtype=np.float64, rng=None):
        self.activation = checks.one_of("activation", activation, ("tanh", "relu"))
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, rng=rng)

    def _run(self, x: np.ndarray, state: State, mask) -> tuple[np.ndarray, State]:
        W_h, b = self.params["W_h"], self.params.get("b", 0)
        self._x = x.copy()
        projected = (_rows(self._x) @ self.params["W_x"]).reshape(*x.shape[:2], -1)
        h = self._h_0 = state[0].copy()
        product = np.empty_like(h)
        for t, a in enumerate(projected):
            a += np.matmul(h, W_h, out=product)
            a += b  # RNN.1
            self._activate(a, out=a)  # RNN.2, in place: from here on this row is h_t
            if mask is not None:
                np.copyto(a, h, where=~mask[t, :, None])
            h = a
        self._hs = projected
        return projected.view(), (h.copy(),)

    def _run_back(self, grad_outputs, grad_state: State, mask):
        W_h_T = np.ascontiguousarray(self.params["W_h"].T)  # multiplied T times: worth one copy in the right order
        deltas = np.empty_like(self._hs)
        dh = grad_state[0].copy()  # the part of dh_t that comes from later steps
        for t in reversed(range(len(deltas))):
            dh += grad_outputs[t]  # RNN.3
            delta = self._slope(self._hs[t], out=deltas[t])
            delta *= dh  # RNN.4
            if mask is None:
                np.matmul(delta, W_h_T, out=dh)  # the carry of RNN.3; after the last round RNN.9
            else:
                real = mask[t, :, None]
                delta *= real
                dh = np.where(real, delta @ W_h_T, dh)  # a masked step is the identity: dh passes through it
        grad_x = (_rows(deltas) @ np.ascontiguousarray(self.params["W_x"].T)).reshape(self._x.shape)  # RNN.8
        return self._weight_grads(deltas), grad_x, (dh,)

    def _weight_grads(self, deltas: np.ndarray) -> dict[str, np.ndarray]:
        flat = _rows(deltas)
        later = _rows(self._hs[:-1]).T @ _rows(deltas[1:])
        grads = {"W_x": _rows(self._x).T @ flat, "W_h": self._h_0.T @ deltas[0] + later}  # RNN.5, RNN.6
        if "b" in self.params:
            grads["b"] = np.ones(len(flat), self.dtype) @ flat  # RNN.7; as a product it is faster than as a sum
        return grads

    def _activate(self, a: np.ndarray, out: np.ndarray) -> None:
        if self.activation == "tanh":
            np.tanh(a, out=out)
        else:
            np.maximum(a, 0, out=out)

    def _slope(self, h: np.ndarray, out: np.ndarray) -> np.ndarray:
        """φ'(a) written in terms of h = φ(a): 1 − h² for tanh, a step for ReLU."""
        if self.activation == "tanh":
            return np.subtract(1, np.multiply(h, h, out=out), out=out)
        return np.greater(h, 0, out=out, casting="unsafe")
