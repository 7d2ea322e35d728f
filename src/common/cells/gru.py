"""The gated recurrent unit in NumPy, in both variants: the reset gate after the recurrent product, or before it."""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells.base import State, _rows
from common.cells.gated import GatedCell


class GRU(GatedCell):
    """h_t = (1 − z) ⊙ n + z ⊙ h_{t-1}, with the gates r and z = σ(·) and the candidate n = tanh(·).

    The gates read x_t W + h_{t-1} U + b. The candidate reads the old state through the reset gate, in one of two ways:

    reset="after"   n = tanh(x_t W_n + b_n + r ⊙ (h_{t-1} U_n + c_n)), with a bias c_n of its own inside. One recurrent
                    product a step. The same function as torch.nn.GRU and keras.layers.GRU with reset_after=True, its
                    default, and as cuDNN's.
    reset="before"  n = tanh(x_t W_n + b_n + (r ⊙ h_{t-1}) U_n), as in Bahdanau, Cho and Bengio (2014) and Chung et al.
                    (2014). The product has to wait for the gate. keras.layers.GRU with reset_after=False; not in
                    PyTorch.

    The two are different functions; weights do not move from one to the other. z multiplies the old state, as in both
    libraries; Chung et al. give it to the candidate: the same function, with the signs of W_z, U_z and b_z changed.

    input_size D, hidden_size H; `bias=False` leaves b and c_n out; `dtype` float64 or float32; `rng` a NumPy generator
    or a seed for the starting weights (W_x Glorot uniform, every H × H block of W_h orthogonal, biases zero).
    Parameters: W_x = [W_r W_z W_n] (D, 3H), W_h = [U_r U_z U_n] (H, 3H), b (3H,) and, with reset="after", c_n (H,).
    """

    state_names = ("h",)
    gate_names = ("r", "z", "n")
    logistic = ("r", "z")

    def __init__(self, input_size, hidden_size, *, reset="after", bias=True, dtype=np.float64, rng=None):
        self.reset = checks.one_of("reset", reset, ("after", "before"))
        super().__init__(input_size, hidden_size, bias=bias, dtype=dtype, rng=rng)
        if bias and reset == "after":
            self.params["c_n"] = np.zeros(self.hidden_size, self.dtype)

    def _run(self, x: np.ndarray, state: State, mask) -> tuple[np.ndarray, State]:
        (T, B, _), H = x.shape, self.hidden_size
        joined = self._rows_in = self._joined(x, state[0])
        hs = joined[..., :H]
        activations = self._activations = np.empty((T, 3, B, H), self.dtype)
        after = self.reset == "after"
        step, weights = (self._step_after if after else self._step_before), self._weights_forward(T, B)
        for t in range(T):
            h = hs[t + 1]
            step(t, *weights)
            _, z, n = activations[t]
            np.tanh(n, out=n)  # GRU-after.2, GRU-before.2
            np.subtract(hs[t], n, out=h)
            h *= z
            h += n  # GRU.3, written as n + z ⊙ (h_{t-1} − n)
            if mask is not None:
                np.copyto(h, hs[t], where=~mask[t, :, None])
        return hs[1:], (hs[-1].copy(),)

    def _weights_forward(self, T: int, B: int) -> tuple[np.ndarray, ...]:
        """What a step multiplies by (the gates' weights, the candidate's), and room for what lies in between."""
        H, W = self.hidden_size, self._weights()
        if self.reset == "before":
            self._rows_reset = self._rows_in[:-1].copy()  # for the rows [q_t 1 x_t]
            return W[:2], W[2]
        self._ms = np.empty((T, B, H), self.dtype)
        # The candidate's part of the input waits for no state.
        np.matmul(self._rows_in[:-1, :, H:], W[2, H:], out=self._activations[:, 2])
        c_n = self.params.get("c_n", np.zeros(H, self.dtype))
        return W[:2], np.vstack([W[2, :H], c_n]), np.empty((B, H), self.dtype)

    def _step_after(self, t: int, W_rz: np.ndarray, U_n: np.ndarray, part: np.ndarray) -> None:
        """Compute r, z and what goes into the candidate's tanh, the reset gate after the product."""
        a, row = self._activations[t], self._rows_in[t]
        _logistic_of_half(np.matmul(row, W_rz, out=a[:2]))  # GRU.1, GRU.2
        m = np.matmul(row[:, : self.hidden_size + 1], U_n, out=self._ms[t])  # GRU-after.1
        a[2] += np.multiply(a[0], m, out=part)

    def _step_before(self, t: int, W_rz: np.ndarray, W_n: np.ndarray) -> None:
        """The same with the reset gate before the product."""
        a, row, reset = self._activations[t], self._rows_in[t], self._rows_reset[t]
        _logistic_of_half(np.matmul(row, W_rz, out=a[:2]))  # GRU.1, GRU.2
        H = self.hidden_size
        np.multiply(a[0], row[:, :H], out=reset[:, :H])  # GRU-before.1
        np.matmul(reset, W_n, out=a[2])

    # ---- backward ------------------------------------------------------------------------------------------------

    @property
    def _slots(self) -> int:
        """dm_t beside δ_r, δ_z and δ_n. dm_t goes back through W_h, δ_n does not; unused for reset before."""
        return 4

    def _weights_back(self, B: int) -> tuple[np.ndarray, ...]:
        U_r_T, U_z_T, U_n_T = np.ascontiguousarray(self._by_gate(self.params["W_h"]).swapaxes(1, 2))
        scratch = np.empty((3, B, self.hidden_size), self.dtype)
        if self.reset == "after":
            return np.stack([U_n_T, U_r_T, U_z_T]), scratch  # in the order of dm, δ_r, δ_z
        return np.stack([U_r_T, U_z_T]), U_n_T, scratch

    def _steps_back(self, steps: slice, deltas, grad_outputs, carry: State, weights, mask) -> State:
        (dh,) = carry
        step_back = self._step_back_after if self.reset == "after" else self._step_back_before
        self._local_slopes(steps, deltas[1:])
        for k in reversed(range(steps.stop - steps.start)):
            t = steps.start + k
            dh += grad_outputs[t]  # GRU.4
            if mask is None:
                step_back(t, deltas[:, k], dh, *weights)  # dh becomes the carry; after the last round GRU.11
            else:
                real = mask[t, :, None]
                kept = np.where(real, 0, dh)  # a masked step is the identity: dh passes through it
                dh *= real
                step_back(t, deltas[:, k], dh, *weights)
                dh += kept
        return (dh,)

    def _local_slopes(self, steps: slice, slopes: np.ndarray) -> None:
        """What the loop multiplies dh_t (and, for r, the gradient that reaches it) by; no later step is in it."""
        r, z, n = self._activations[steps].swapaxes(0, 1)
        slope_r, slope_z, slope_n = slopes
        before = self._rows_in[:-1][steps][..., : self.hidden_size]
        np.subtract(1, z, out=slope_z)
        np.subtract(1, np.multiply(n, n, out=slope_n), out=slope_n)  # 1 − n²
        slope_n *= slope_z  # (1 − z)(1 − n²)
        slope_z *= z
        slope_z *= before - n  # z (1 − z)(h_{t-1} − n)
        np.subtract(1, r, out=slope_r)
        slope_r *= r
        slope_r *= self._ms[steps] if self.reset == "after" else before  # r (1 − r) m, r (1 − r) h_{t-1}

    def _step_back_after(self, t: int, deltas: np.ndarray, dh: np.ndarray, W_h_T: np.ndarray, by_gate) -> None:
        """Turn a step's slopes into dm_t and δ_t, and dh_t in place into what reaches the step before."""
        dm, delta_r, delta_z, delta_n = deltas
        r, z, _ = self._activations[t]
        delta_n *= dh  # GRU.5
        delta_z *= dh  # GRU.6
        np.multiply(delta_n, r, out=dm)  # GRU-after.3
        delta_r *= delta_n  # GRU-after.4
        dh *= z
        for part in np.matmul(deltas[:3], W_h_T, out=by_gate):
            dh += part  # GRU-after.6

    def _step_back_before(self, t: int, deltas: np.ndarray, dh: np.ndarray, U_rz_T, U_n_T, by_gate) -> None:
        """The same with the reset gate before the product; dm_t does not exist there."""
        _, delta_r, delta_z, delta_n = deltas
        r, z, _ = self._activations[t]
        delta_n *= dh  # GRU.5
        delta_z *= dh  # GRU.6
        dq = np.matmul(delta_n, U_n_T, out=by_gate[2])  # GRU-before.3
        delta_r *= dq  # GRU-before.4
        dh *= z
        dq *= r
        np.matmul(deltas[1:3], U_rz_T, out=by_gate[:2])
        for part in by_gate:
            dh += part  # GRU-before.6

    def _weight_products(self, stretch: slice, deltas: np.ndarray) -> list[np.ndarray]:
        H, rows_in = self.hidden_size, _rows(self._rows_in[:-1][stretch])
        if self.reset == "after":  # rows h and 1 with dm, δ_r, δ_z; rows 1 and x with δ_r, δ_z, δ_n
            return [np.matmul(rows_in[:, : H + 1].T, deltas[:3]), np.matmul(rows_in[:, H:].T, deltas[1:])]
        # rows h, 1 and x with δ_r, δ_z; rows q, 1 and x with δ_n
        return [np.matmul(rows_in.T, deltas[1:3]), np.matmul(_rows(self._rows_reset[stretch]).T, deltas[3:])]

    def _weight_grads(self, first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
        H = self.hidden_size
        if self.reset == "after":
            (by_m, by_r, by_z), outside = first, np.hstack(list(second))
            W_h = np.hstack([by_r[:H], by_z[:H], by_m[:H]])  # GRU.8, GRU-after.5
            return {"W_h": W_h, "c_n": by_m[H], "W_x": outside[1:], "b": outside[0]}  # GRU-after.5, GRU.7, GRU.9
        together = np.hstack([*first, *second])
        return {"W_h": together[:H], "b": together[H], "W_x": together[H + 1 :]}  # GRU.8, GRU-before.5, GRU.9, GRU.7


def _logistic_of_half(a: np.ndarray) -> None:
    """σ in place, from ½ a: σ(a) = ½ + ½ tanh(½ a)."""
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5
