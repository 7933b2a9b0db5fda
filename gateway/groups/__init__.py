"""Groups: durable progress of competing consumers.

``state`` is the machine, a pure object; ``runtime`` runs one for each group; ``groups`` has them all.
"""
