"""What was sent as JSON: parameters in every style, bodies in every media type."""
