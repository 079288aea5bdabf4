"""One file per subject; each turns rows of the journal into cards (a figure and what is said about it)."""
