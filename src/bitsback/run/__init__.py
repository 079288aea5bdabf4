"""The stages of a run, chained through a run folder."""
