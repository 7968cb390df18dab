"""What is written to a terminal: lines about requests, progress, help."""
