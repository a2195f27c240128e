"""Stage `synthesize`: from one image and its mask to new image-mask pairs."""
