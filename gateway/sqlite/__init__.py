"""The embedded engine: log, topics, readers, groups and an index of keys, in one SQLite file."""
