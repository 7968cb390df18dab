"""Check a server against its contract."""
