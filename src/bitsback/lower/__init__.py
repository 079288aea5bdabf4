"""From programs to what a device runs."""
