"""The figures in the README: `python -m benchmarks`."""
