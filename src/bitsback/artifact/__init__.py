"""The packed file: manifest, program, weights (no torch)."""
