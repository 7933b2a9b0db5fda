"""Tidegate's Python client: publish typed events and subscribe to them."""

__version__ = "0.1.0"
