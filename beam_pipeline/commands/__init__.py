"""One command a module: its options, and where it starts."""
