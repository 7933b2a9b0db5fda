"""What Tidegate costs, measured beside bare gRPC on the same machine: ``python -m tests.bench``.

Every side runs in its own process, on loopback, with its files in a temporary folder. No test imports this.
"""
