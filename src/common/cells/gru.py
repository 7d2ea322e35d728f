"""The gated recurrent unit in NumPy, in both variants: the reset gate after the recurrent product, or before it."""

from __future__ import annotations

import numpy as np

from common import checks
from common.cells.base import State, _rows
from common.cells.gated import GatedCell, project


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
        scale, _ = self._affine()
        W_x, W_h = self.params["W_x"] * scale, self.params["W_h"] * scale
        b = self.params["b"] * scale if "b" in self.params else None
        self._activations = np.empty((T, B, 3 * H), self.dtype)
        self._hs = np.empty((T + 1, B, H), self.dtype)  # row 0: before step 1
        self._hs[0] = state[0]
        step = self._step_after(W_h, B, T) if self.reset == "after" else self._step_before(W_h, B, T)
        for steps in self._stretches(T, B):
            project(x[steps], W_x, b, out=self._activations[steps])
            for t in range(steps.start, steps.stop):
                a, before, h = self._activations[t], self._hs[t], self._hs[t + 1]
                z, n = a[:, H : 2 * H], a[:, 2 * H :]
                step(t, a, before)
                np.tanh(n, out=n)  # GRU-after.2, GRU-before.2
                np.subtract(before, n, out=h)
                h *= z
                h += n  # GRU.3, written as n + z ⊙ (h_{t-1} − n)
                if mask is not None:
                    np.copyto(h, before, where=~mask[t, :, None])
        return self._hs[1:], (self._hs[-1].copy(),)

    def _step_after(self, W_h: np.ndarray, B: int, T: int):
        """The function that turns a step's projection into r, z and what goes into the candidate's tanh."""
        H, c_n = self.hidden_size, self.params.get("c_n", 0)
        self._ms = np.empty((T, B, H), self.dtype)
        product, reset_m = np.empty((B, 3 * H), self.dtype), np.empty((B, H), self.dtype)

        def step(t, a, before):
            np.matmul(before, W_h, out=product)
            m = np.add(product[:, 2 * H :], c_n, out=self._ms[t])  # GRU-after.1
            gates = a[:, : 2 * H]
            gates += product[:, : 2 * H]
            _logistic_of_half(gates)  # GRU.1, GRU.2
            a[:, 2 * H :] += np.multiply(a[:, :H], m, out=reset_m)

        return step

    def _step_before(self, W_h: np.ndarray, B: int, T: int):
        """The same for the reset gate before the product, which makes two products of one."""
        H = self.hidden_size
        self._qs = np.empty((T, B, H), self.dtype)
        U_rz, U_n = np.ascontiguousarray(W_h[:, : 2 * H]), np.ascontiguousarray(W_h[:, 2 * H :])
        product, from_q = np.empty((B, 2 * H), self.dtype), np.empty((B, H), self.dtype)

        def step(t, a, before):
            gates = a[:, : 2 * H]
            gates += np.matmul(before, U_rz, out=product)
            _logistic_of_half(gates)  # GRU.1, GRU.2
            q = np.multiply(a[:, :H], before, out=self._qs[t])  # GRU-before.1
            a[:, 2 * H :] += np.matmul(q, U_n, out=from_q)

        return step

    def _run_back(self, grad_outputs: np.ndarray, grad_state: State, mask) -> tuple[np.ndarray, State]:
        T, B, H = grad_outputs.shape
        deltas = np.empty((T, B, 3 * H), self.dtype)
        dh = grad_state[0].copy()  # the part of dh_t that comes from later steps
        back = self._step_back_after(deltas) if self.reset == "after" else self._step_back_before(deltas)
        for steps in reversed(list(self._stretches(T, B))):
            self._local_slopes(steps, deltas[steps])
            for t in reversed(range(steps.start, steps.stop)):
                dh += grad_outputs[t]  # GRU.4
                if mask is None:
                    dh = back(t, dh)  # after the last round GRU.11
                else:
                    real = mask[t, :, None]
                    before = back(t, np.where(real, dh, 0))
                    dh = np.where(real, before, dh)  # a masked step is the identity: dh passes through it
        return deltas, (dh,)

    def _local_slopes(self, steps: slice, slopes: np.ndarray) -> None:
        """What the loop multiplies dh_t (and, for r, the gradient that reaches it) by; no later step is in it."""
        H, gates, before = self.hidden_size, self._activations[steps], self._hs[:-1][steps]
        z, n = gates[..., self.block("z")], gates[..., self.block("n")]
        np.multiply(gates, gates, out=slopes)
        np.subtract(gates[..., : 2 * H], slopes[..., : 2 * H], out=slopes[..., : 2 * H])  # σ(1 − σ)
        slopes[..., :H] *= self._ms[steps] if self.reset == "after" else before
        slopes[..., H : 2 * H] *= before - n
        np.subtract(1, slopes[..., 2 * H :], out=slopes[..., 2 * H :])  # 1 − n²
        slopes[..., 2 * H :] *= 1 - z

    def _step_back_after(self, deltas: np.ndarray):
        """The function that takes dh_t one step back; it turns the slopes in `deltas` into δ_t."""
        T, B, H = self._ms.shape
        W_h_T = np.ascontiguousarray(self.params["W_h"].T)
        # What goes back through W_h: δ_r and δ_z as they are, but dm in the place of δ_n.
        recurrent = self._recurrent = np.empty_like(deltas)
        by_dh = deltas.reshape(T, B, 3, H)[:, :, 1:]  # the blocks z and n: what dh_t multiplies
        carry = np.empty((B, H), self.dtype)

        def back(t, dh):
            delta, through = deltas[t], recurrent[t]
            r, z = self._activations[t, :, :H], self._activations[t, :, H : 2 * H]
            by_dh[t] *= dh[:, None]  # GRU.5, GRU.6
            np.multiply(delta[:, 2 * H :], r, out=through[:, 2 * H :])  # GRU-after.3
            delta[:, :H] *= delta[:, 2 * H :]  # GRU-after.4
            through[:, : 2 * H] = delta[:, : 2 * H]
            dh *= z
            dh += np.matmul(through, W_h_T, out=carry)  # GRU-after.6
            return dh

        return back

    def _step_back_before(self, deltas: np.ndarray):
        """The same for the reset gate before the product."""
        T, B, H = self._qs.shape
        W_h = self.params["W_h"]
        U_rz_T, U_n_T = np.ascontiguousarray(W_h[:, : 2 * H].T), np.ascontiguousarray(W_h[:, 2 * H :].T)
        by_dh = deltas.reshape(T, B, 3, H)[:, :, 1:]  # the blocks z and n: what dh_t multiplies
        dq, carry = np.empty((B, H), self.dtype), np.empty((B, H), self.dtype)

        def back(t, dh):
            delta = deltas[t]
            r, z = self._activations[t, :, :H], self._activations[t, :, H : 2 * H]
            by_dh[t] *= dh[:, None]  # GRU.5, GRU.6
            np.matmul(delta[:, 2 * H :], U_n_T, out=dq)  # GRU-before.3
            delta[:, :H] *= dq  # GRU-before.4
            dh *= z
            dh += np.multiply(dq, r, out=carry)
            dh += np.matmul(delta[:, : 2 * H], U_rz_T, out=carry)  # GRU-before.6
            return dh

        return back

    def _recurrent_grads(self, deltas: np.ndarray) -> dict[str, np.ndarray]:
        H, before = self.hidden_size, _rows(self._hs[:-1]).T
        if self.reset == "before":
            gates, candidate = deltas[..., : 2 * H], deltas[..., 2 * H :]
            # GRU.8, GRU-before.5
            return {"W_h": np.hstack([before @ _rows(gates), _rows(self._qs).T @ _rows(candidate)])}
        grads = {"W_h": before @ _rows(self._recurrent)}  # GRU.8, GRU-after.5
        if "c_n" in self.params:
            dm = _rows(self._recurrent[..., 2 * H :])
            grads["c_n"] = np.ones(len(dm), self.dtype) @ dm  # GRU-after.5
        return grads


def _logistic_of_half(a: np.ndarray) -> None:
    """σ in place, from ½ a: σ(a) = ½ + ½ tanh(½ a)."""
    np.tanh(a, out=a)
    a *= 0.5
    a += 0.5
