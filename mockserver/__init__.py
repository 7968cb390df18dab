"""A mock server for the LlamaCloud chat API, driven by its contract."""
