"""The page, as a user meets it in a browser, and what serves it."""
