"""Segment a user's own image with a trained system."""
