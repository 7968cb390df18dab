"""Measures the mock beside plain servers, and beside itself with other stores and sizes; `python -m benchmarks`."""
