"""Read an OpenAPI document into a Contract."""
