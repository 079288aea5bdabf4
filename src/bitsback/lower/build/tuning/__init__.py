"""Searching how native libraries hold sums in registers, by measuring on the device."""
