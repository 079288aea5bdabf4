"""Carrying out a policy on a posterior."""
