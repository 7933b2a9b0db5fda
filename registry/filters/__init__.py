"""Filters over events: what they may say, what may be known of them, and how whole batches are decided."""
