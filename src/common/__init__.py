"""Shared helpers of the book. `import common` loads nothing heavy: no PyTorch, no TensorFlow, no Keras."""

__version__ = "0.1.0"
