"""Shared helpers of the book. `import common` loads nothing heavy: no PyTorch, no TensorFlow, no Keras."""

__version__ = "0.1.0"

# The setup cell of a notebook reads this: it must have found the book's own package, not another `common`.
BOOK = "Recurrent Networks: Derived, Built, Proven"
