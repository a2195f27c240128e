"""Statistics of synthesized pairs: `measure(pair, nets, **parameters) -> columns`, and `network(nets) -> str`."""
