"""How much of a contract some traffic exercised."""
