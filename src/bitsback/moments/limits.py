"""Numbers that `moments.outputs` and native kernels share; no PyTorch is needed for them."""

MOST = 32
"""Outputs whose covariances are carried."""
LEAST = 1e-6
"""Of a variance: what is left of it once the outputs before are known, and counts as nothing."""
