"""The API pack of any document: resources that are inferred from it, and kept."""
