"""Generated stubs of the contract in ``proto/tidegate/v1``: ``make stubs`` writes them."""
