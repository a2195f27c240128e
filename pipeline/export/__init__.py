"""Command `export`: rendered splits as files that other programs read. No stage: nothing of the pipeline reads them."""
