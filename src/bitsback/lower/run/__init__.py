"""Loading and calling a program, on the device (no torch)."""
