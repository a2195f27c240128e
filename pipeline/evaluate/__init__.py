"""Stage `evaluate`: statistics of every test episode of one system."""
