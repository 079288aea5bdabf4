"""What is to happen to each layer, and what a weight is worth."""
