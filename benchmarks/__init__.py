"""Measures the mock beside plain servers and other mock servers: `python -m benchmarks`."""
