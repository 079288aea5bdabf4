"""Examples: one whole study per paper."""
