"""Stubs of typed streams: what ``tidegate stubs`` writes, one module a language."""
