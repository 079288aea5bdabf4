"""The study of ensembles whose members share one structure; README.md says what it shows."""
