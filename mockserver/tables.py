"""The tables of an SQLite file of sessions, and the marks by which such a file is known."""

VERSION = 1
"""The version of the tables below."""

APPLICATION = int.from_bytes(b"mock")
"""Marks a file as ours, in the field of its header that SQLite has for this."""

# A title that changes writes to `scopes`, `sessions` and the index of the order, and to nothing else.
# A key of a scope is never used twice, so what a dropped scope has left behind belongs to none.
TABLES = """
CREATE TABLE scopes (key INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, births INTEGER NOT NULL,
  seq INTEGER NOT NULL, seed TEXT, sessions INTEGER NOT NULL, gone INTEGER NOT NULL);
CREATE TABLE sessions (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL,
  project TEXT, record BLOB NOT NULL, UNIQUE (scope, id));
CREATE UNIQUE INDEX latest ON sessions (scope, seq);
CREATE INDEX latest_of_project ON sessions (scope, project, seq) WHERE project IS NOT NULL;
CREATE TABLE turns (session INTEGER NOT NULL, number INTEGER NOT NULL, events BLOB NOT NULL,
  PRIMARY KEY (session, number));
CREATE TABLE gone (key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, id TEXT NOT NULL, UNIQUE (scope, id));
CREATE INDEX oldest_gone ON gone (scope, key);
CREATE TABLE total (sessions INTEGER NOT NULL);
CREATE TABLE dropped (scope INTEGER PRIMARY KEY);
INSERT INTO total VALUES (0)
"""
