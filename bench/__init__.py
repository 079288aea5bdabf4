"""Benchmarks: each times a comparison in one run and appends rows to `results/*.jsonl`."""
