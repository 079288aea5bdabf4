"""A Bayesian network trained with Pyro, taken to a device."""
