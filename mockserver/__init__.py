"""A mock server for any API, driven by its OpenAPI document."""

__version__ = "0.2.0"
