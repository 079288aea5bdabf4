"""Tables, figures and one self-contained page, made from the journal (no torch)."""
