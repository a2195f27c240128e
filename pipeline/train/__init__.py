"""Stage `train`: train one system."""
