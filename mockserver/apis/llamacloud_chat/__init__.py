"""The API pack of LlamaCloud's chat."""
