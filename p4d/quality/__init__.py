"""Gates: what must hold of a stage's files before anything may read them."""
