"""Compile schemas into functions that make values."""
