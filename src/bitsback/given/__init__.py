"""What comes in: data sets, networks, reference networks."""
