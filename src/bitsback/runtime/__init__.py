"""Artifact to predictions (no torch)."""
