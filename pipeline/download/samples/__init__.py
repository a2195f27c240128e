"""Built-in samples: a module named after a source generates small data in the source's official layout.

Each has `generate(target: Path, parameters: dict[str, Any], seed: int) -> None`.
"""
