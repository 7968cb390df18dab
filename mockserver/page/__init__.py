"""The page that shows a mock, a report or both: static files, put into one document."""
