"""How two schemas are compared element by element and line by line; ``registry/diff.py`` puts it together."""
