"""The jobs of the pipeline: for each stage, the values, inputs and code of one unit of work."""
