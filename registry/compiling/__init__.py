"""From what users send, sources or descriptors, to canonical descriptors: in a process of its own."""
