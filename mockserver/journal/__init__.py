"""Exchanges remembered, verified and exported."""
