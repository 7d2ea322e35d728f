"""Print, as JSON, what PyTorch's recurrent layers do; run by test_conventions.py in a process of its own."""

import json

import torch

D, H, B, T = 2, 3, 4, 5
KINDS = {"RNN": torch.nn.RNN, "LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU}


def run_with_random_weights(kind: str) -> dict:
    """Weights, input, initial state and outputs of one layer: enough to find out what it computed."""
    torch.manual_seed(1)
    layer = KINDS[kind](D, H).double()
    with torch.no_grad():
        for p in layer.parameters():
            p.copy_(torch.randn_like(p))
    x = torch.randn(T, B, D, dtype=torch.float64)
    state = [torch.randn(1, B, H, dtype=torch.float64) for _ in range(2 if kind == "LSTM" else 1)]
    output, last = layer(x, tuple(state) if kind == "LSTM" else state[0])
    batch_first = KINDS[kind](D, H, batch_first=True).double()(x.transpose(0, 1))
    last = last if kind == "LSTM" else (last,)
    return {
        "weights": {name: p.tolist() for name, p in layer.named_parameters()},
        "x": x.tolist(),
        "state": [s[0].tolist() for s in state],
        "output": output.tolist(),
        "last": [s[0].tolist() for s in last],
        "output_shape": list(output.shape),
        "last_shapes": [list(s.shape) for s in last],
        "batch_first_shapes": [list(s.shape) for s in (batch_first[0], *batch_first[1:])] if kind == "RNN" else [],
    }


def at_the_start(kind: str, size: int) -> dict:
    """Range of the fresh weights and biases, and the fresh forget bias (the sum of the two vectors)."""
    torch.manual_seed(1)
    layer = KINDS[kind](size, size)
    seen = {name: [p.min().item(), p.max().item()] for name, p in layer.named_parameters()}
    forget = (layer.bias_ih_l0 + layer.bias_hh_l0)[size : 2 * size].mean().item()
    return {"ranges": seen, "forget": forget}


def count(kind: str, m: int, h: int) -> int:
    return sum(p.numel() for p in KINDS[kind](m, h).parameters())


print(
    json.dumps(
        {
            "runs": {kind: run_with_random_weights(kind) for kind in KINDS},
            "counts": {kind: [[m, h, count(kind, m, h)] for m, h in ((1, 1), (2, 5), (12, 128))] for kind in KINDS},
            "start": {kind: at_the_start(kind, 64) for kind in KINDS},
        }
    )
)
