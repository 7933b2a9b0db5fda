"""The check of batches against a schema version: a handful of calls in C, however many events there are."""
