"""StyleGAN2 for one image: Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020.

Written from the paper's equations and figures. Images are (B, 3, H, W) in [-1, 1]; a latent z and a style w have
`latent` numbers; the smallest map has the shape `start`, every level doubles it.
"""
