"""Runs the command line as ``python -m tidegate.cli``, where the command ``tidegate`` is not on the path."""

from tidegate.cli import main

if __name__ == "__main__":
    main()
