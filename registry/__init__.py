"""The schema registry: schemas, their compatibility and the checking of data against them.

The lower layer. It knows nothing of topics, logs, streams or gRPC.
"""
