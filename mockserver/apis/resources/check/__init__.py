"""The checks of state of inferred resources."""
