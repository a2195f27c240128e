"""Pieces of generators that learn from a single image, scale after scale."""
