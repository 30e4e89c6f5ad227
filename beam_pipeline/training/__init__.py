"""The two ways in which `module train` trains, and what it prints at the end."""
