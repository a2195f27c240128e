"""RePRI: segmentation by transductive inference, whatever gives the features (arXiv 2012.06166)."""
