"""How many numbers a vector has."""

LANES = 8  # TVM splits what a target has no vector for, and LLVM joins two where it has a wider one
"""Of a vector of float32."""


def padded(count: int) -> int:
    """The next whole number of vectors."""
    return -(-count // LANES) * LANES
