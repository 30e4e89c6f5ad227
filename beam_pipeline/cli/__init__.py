"""The command line: one file per command; `main` turns arguments into an exit code."""
