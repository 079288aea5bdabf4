"""Distributions over a network's params, and the methods that fit them."""
