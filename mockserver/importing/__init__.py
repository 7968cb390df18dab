"""Reads what other tools recorded or stubbed, and writes it as stubs and fixtures."""
