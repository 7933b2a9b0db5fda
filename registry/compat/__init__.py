"""What changed between two schema versions, whom it breaks, and the proof. Pure."""
