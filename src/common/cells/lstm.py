"""The LSTM in NumPy, with a forget gate and without peepholes: the cell of today's libraries."""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells.base import State, _rows
from common.cells.gated import GatedCell


class LSTM(GatedCell):
    """c_t = f ⊙ c_{t-1} + i ⊙ g and h_t = o ⊙ tanh(c_t), with gates i, f, o = σ(·) and the candidate g = tanh(·).

    The four pre-activations are the blocks i, f, g, o of a_t = x_t W_x + h_{t-1} W_h + b: one matrix product a step.
    The same function as torch.nn.LSTM (whose two biases are summed here) and keras.layers.LSTM.

    input_size D, hidden_size H; `forget_bias` the starting value of b in the block f (1: Gers, Schmidhuber and Cummins
    2000, Jozefowicz, Zaremba and Sutskever 2015; Keras' default; PyTorch has no such thing); `bias=False` leaves b out,
    and then `forget_bias` has no place; `dtype` float64 or float32; `rng` a NumPy generator or a seed for the starting
    weights (W_x Glorot uniform, every H × H block of W_h orthogonal, the rest of b zero). Parameters: W_x (D, 4H),
    W_h (H, 4H), b (4H,). The state is the tuple (h, c).
    """

    state_names = ("h", "c")
    gate_names = ("i", "f", "g", "o")
    logistic = ("i", "f", "o")

    def __init__(self, input_size, hidden_size, *, forget_bias=1.0, bias=True, dtype=np.float64, rng=None):
        forget_bias = checks.number("forget_bias", forget_bias, -np.inf, np.inf)
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, rng=rng)
        if bias:
            self.params["b"][self.block("f")] = forget_bias

    def _inside(self) -> dict[str, np.ndarray]:
        return {**super()._inside(), "c": self._cs[1:]}

    def _run(self, x: np.ndarray, state: State, mask) -> tuple[np.ndarray, State]:
        (T, B, _), H = x.shape, self.hidden_size
        W, (scale, shift) = self._weights(), self._affine()
        joined = self._rows_in = self._joined(x, state[0])
        hs = joined[..., :H]
        activations = self._activations = np.empty((T, 4, B, H), self.dtype)
        cs = self._cs = np.empty((T + 1, B, H), self.dtype)  # row 0: before step 1
        cs[0] = state[1]
        part = np.empty((B, H), self.dtype)
        for t in range(T):
            a = np.matmul(joined[t], W, out=activations[t])  # LSTM.1
            np.tanh(a, out=a)  # LSTM.4 and, with the two lines below, LSTM.2, LSTM.3 and LSTM.5
            a *= scale
            a += shift
            i, f, g, o = a
            c = np.multiply(f, cs[t], out=cs[t + 1])
            c += np.multiply(i, g, out=part)  # LSTM.6
            np.multiply(o, np.tanh(c, out=part), out=hs[t + 1])  # LSTM.7
            if mask is not None:
                padding = ~mask[t, :, None]
                np.copyto(hs[t + 1], hs[t], where=padding)
                np.copyto(c, cs[t], where=padding)
        return hs[1:], (hs[-1].copy(), cs[-1].copy())

    def _weights_back(self, B: int) -> tuple[np.ndarray, ...]:
        # Multiplied T times: worth one copy in the right order.
        W_h_T = np.ascontiguousarray(self._by_gate(self.params["W_h"]).swapaxes(1, 2))
        return W_h_T, np.empty((4, B, self.hidden_size), self.dtype)

    def _steps_back(self, steps: slice, deltas, grad_outputs, carry: State, weights, mask) -> State:
        (dh, dc), (W_h_T, by_gate) = carry, weights
        through_h = self._local_slopes(steps, deltas)
        for k in reversed(range(steps.stop - steps.start)):
            t = steps.start + k
            delta, f = deltas[:, k], self._activations[t, 1]
            delta_i, delta_f, delta_g, delta_o = delta
            dh += grad_outputs[t]  # LSTM.8
            if mask is not None:
                kept = dh.copy(), dc.copy()
            dc += np.multiply(dh, through_h[k], out=by_gate[0])  # LSTM.9
            delta_o *= dh  # LSTM.10
            delta_i *= dc  # LSTM.11
            delta_f *= dc  # LSTM.12
            delta_g *= dc  # LSTM.13
            dc *= f  # the carry of LSTM.9; after the last round LSTM.19
            if mask is not None:
                delta *= mask[t, :, None]
            np.add.reduce(np.matmul(delta, W_h_T, out=by_gate), axis=0, out=dh)  # the carry of LSTM.8; at last LSTM.18
            if mask is not None:  # a masked step is the identity: dh and dc pass through it
                np.copyto(dh, kept[0], where=~mask[t, :, None])
                np.copyto(dc, kept[1], where=~mask[t, :, None])
        return dh, dc

    def _local_slopes(self, steps: slice, slopes: np.ndarray) -> np.ndarray:
        """What LSTM.10 to LSTM.13 multiply dh_t or dc_t by, into `slopes`; what LSTM.9 multiplies dh_t by is returned.

        Nothing here depends on a later step.
        """
        i, f, g, o = self._activations[steps].swapaxes(0, 1)
        tanh_c = np.tanh(self._cs[1:][steps])
        for slope, gate, factor in ((0, i, g), (1, f, self._cs[:-1][steps]), (3, o, tanh_c)):
            np.subtract(1, gate, out=slopes[slope])
            slopes[slope] *= gate  # σ (1 − σ)
            slopes[slope] *= factor
        np.subtract(1, np.multiply(g, g, out=slopes[2]), out=slopes[2])  # 1 − g²
        slopes[2] *= i
        through_h = np.multiply(tanh_c, tanh_c, out=tanh_c)
        np.subtract(1, through_h, out=through_h)  # 1 − tanh²(c_t)
        through_h *= o
        return through_h

    def _weight_products(self, stretch: slice, deltas: np.ndarray) -> list[np.ndarray]:
        return [np.matmul(_rows(self._rows_in[:-1][stretch]).T, deltas)]  # LSTM.14, LSTM.15, LSTM.16

    def _weight_grads(self, together: np.ndarray) -> dict[str, np.ndarray]:
        H, together = self.hidden_size, np.hstack(list(together))  # (gates, rows, H) as (rows, gates * H)
        return {"W_h": together[:H], "b": together[H], "W_x": together[H + 1 :]}
