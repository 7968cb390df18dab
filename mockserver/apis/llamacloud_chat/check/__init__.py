"""What `mockserver check` knows of LlamaCloud's chat beyond its contract."""
