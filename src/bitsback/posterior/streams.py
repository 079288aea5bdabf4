"""Independent random streams from one seed: the data's order, the noise, dropout and the history each have their own."""

import hashlib

import torch


def stream_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed that differs for every (seed, purpose, index)."""
    digest = hashlib.sha256(f"{seed} {purpose} {index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def chain_seed(seed: int, chain: int) -> int:
    """The seed of a chain: the first has the run's own."""
    return stream_seed(seed, "chain", chain) if chain else seed


def stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A generator with `stream_seed`."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose, index))
