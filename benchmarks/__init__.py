"""Measures the mock beside a plain Starlette app and a bare ASGI callable; run with `python -m benchmarks`."""
