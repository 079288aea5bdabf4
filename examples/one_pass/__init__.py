"""The study of one pass over Gaussians: its posteriors, its quality beside sampling, and its cost (`bench.one_pass`)."""
