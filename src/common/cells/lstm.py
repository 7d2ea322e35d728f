"""The LSTM in NumPy, with a forget gate and without peepholes: the cell of today's libraries."""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells.base import State, _rows
from common.cells.gated import GatedCell, project


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
        scale, shift = self._affine()
        W_x, W_h = self.params["W_x"] * scale, self.params["W_h"] * scale
        b = self.params["b"] * scale if "b" in self.params else None
        activations = self._activations = np.empty((T, B, 4 * H), self.dtype)
        hs, cs = self._hs, self._cs = np.empty((2, T + 1, B, H), self.dtype)  # row 0: the state before step 1
        tanh_cs = self._tanh_cs = np.empty((T, B, H), self.dtype)
        hs[0], cs[0] = state
        product, written = np.empty((B, 4 * H), self.dtype), np.empty((B, H), self.dtype)
        for steps in self._stretches(T, B):
            project(x[steps], W_x, b, out=activations[steps])
            for t in range(steps.start, steps.stop):
                a, c = activations[t], cs[t + 1]
                a += np.matmul(hs[t], W_h, out=product)  # LSTM.1
                np.tanh(a, out=a)  # LSTM.4 and, with the two lines below, LSTM.2, LSTM.3 and LSTM.5
                a *= scale
                a += shift
                i, f, g, o = a[:, :H], a[:, H : 2 * H], a[:, 2 * H : 3 * H], a[:, 3 * H :]
                np.multiply(f, cs[t], out=c)
                c += np.multiply(i, g, out=written)  # LSTM.6
                np.multiply(o, np.tanh(c, out=tanh_cs[t]), out=hs[t + 1])  # LSTM.7
                if mask is not None:
                    padding = ~mask[t, :, None]
                    np.copyto(hs[t + 1], hs[t], where=padding)
                    np.copyto(c, cs[t], where=padding)
        return hs[1:], (hs[-1].copy(), cs[-1].copy())

    def _run_back(self, grad_outputs: np.ndarray, grad_state: State, mask) -> tuple[np.ndarray, State]:
        (T, B, H), dtype = grad_outputs.shape, self.dtype
        W_h_T = np.ascontiguousarray(self.params["W_h"].T)  # multiplied T times: worth one copy in the right order
        deltas = np.empty((T, B, 4 * H), dtype)
        dh, dc = (g.copy() for g in grad_state)  # the parts of dh_t and dc_t that come from later steps
        by_dc = deltas.reshape(T, B, 4, H)[:, :, :3]  # the blocks i, f, g: what dc_t multiplies
        into_c, part = np.empty((T, B, H), dtype), np.empty((B, H), dtype)
        for steps in reversed(list(self._stretches(T, B))):
            self._local_slopes(steps, deltas[steps], into_c[steps])
            for t in reversed(range(steps.start, steps.stop)):
                f, slopes = self._activations[t, :, H : 2 * H], deltas[t]
                dh += grad_outputs[t]  # LSTM.8
                if mask is not None:
                    kept = dh.copy(), dc.copy()
                dc += np.multiply(dh, into_c[t], out=part)  # LSTM.9, the part through the output of this step
                slopes[:, 3 * H :] *= dh  # LSTM.10
                by_dc[t] *= dc[:, None]  # LSTM.11, LSTM.12, LSTM.13
                dc *= f  # the carry of LSTM.9; after the last round LSTM.19
                if mask is None:
                    np.matmul(slopes, W_h_T, out=dh)  # the carry of LSTM.8; after the last round LSTM.18
                else:
                    real = mask[t, :, None]
                    slopes *= real
                    dh = np.where(real, slopes @ W_h_T, kept[0])  # a masked step is the identity: dh and dc pass
                    dc = np.where(real, dc, kept[1])
        return deltas, (dh, dc)

    def _local_slopes(self, steps: slice, slopes: np.ndarray, into_c: np.ndarray) -> None:
        """What LSTM.9 to LSTM.13 multiply dh_t and dc_t by; none of it depends on a later step."""
        H, gates, tanh_c = self.hidden_size, self._activations[steps], self._tanh_cs[steps]
        i, g, o = (gates[..., self.block(name)] for name in ("i", "g", "o"))
        np.multiply(gates, gates, out=slopes)
        for gate, slope in ((slice(0, 2 * H), slopes[..., : 2 * H]), (slice(3 * H, 4 * H), slopes[..., 3 * H :])):
            np.subtract(gates[..., gate], slope, out=slope)  # σ(1 − σ)
        np.subtract(1, slopes[..., self.block("g")], out=slopes[..., self.block("g")])  # 1 − g²
        slopes[..., self.block("i")] *= g
        slopes[..., self.block("f")] *= self._cs[:-1][steps]
        slopes[..., self.block("g")] *= i
        slopes[..., self.block("o")] *= tanh_c
        np.multiply(tanh_c, tanh_c, out=into_c)
        np.subtract(1, into_c, out=into_c)
        into_c *= o

    def _recurrent_grads(self, deltas: np.ndarray) -> dict[str, np.ndarray]:
        return {"W_h": _rows(self._hs[:-1]).T @ _rows(deltas)}  # LSTM.15
