"""Stage `download`: raw sources, from the network, from a mirror or as the built-in sample."""
