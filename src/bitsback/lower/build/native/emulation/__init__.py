"""Libraries for aarch64, run by QEMU on a machine that is none: for their numbers, and never for their times."""
