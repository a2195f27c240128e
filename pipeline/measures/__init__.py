"""How good synthesized images and masks are: what the stages `synthesize` (its filter) and `evaluate` share."""
