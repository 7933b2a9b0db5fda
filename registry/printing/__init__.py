"""How descriptors become Protobuf text, piece by piece; ``registry/printer.py`` puts them together."""
