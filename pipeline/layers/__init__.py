"""Layers that several plugins of one family share; each names the paper it comes from."""
