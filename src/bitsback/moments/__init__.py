"""Gaussian values, and for every operator the closed form that takes the moments of its inputs to those of its output.

`gaussian` (the value) → one file per family of operators → `rules` (which operator has which rule) → `interpret` (a traced
graph run over Gaussians).

What every rule takes for granted is that the elements of its inputs are independent normals. That is exact for the inputs of
a linear layer with independent weights, and an approximation after it; `bitsback check-moments` measures how good.
"""
