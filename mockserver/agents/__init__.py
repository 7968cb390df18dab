"""Mocks for coding agents, by the Model Context Protocol: tools over the Admin API, operations as resources."""
