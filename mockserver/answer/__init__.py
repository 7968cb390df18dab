"""Choose, generate and render answers."""
