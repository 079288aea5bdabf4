"""Quality, cost and the journal that holds them (no torch)."""
