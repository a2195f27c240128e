"""Layers of the GANs that learn from one image: OSMIS and One-Shot GAN."""
