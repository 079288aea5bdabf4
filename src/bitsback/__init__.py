"""bitsback: a PyTorch network in, a small program that knows when it does not know out."""

__version__ = "0.1.0"
