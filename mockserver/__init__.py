"""A mock server for any API, driven by its OpenAPI document."""
