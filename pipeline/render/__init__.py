"""Stage `render`: every data set becomes episodes in Zarr."""
