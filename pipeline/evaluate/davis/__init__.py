"""DAVIS's two measures of a video's masks, J (regions) and F (contours), and folders of results in its layout."""
