"""Join the small parts of an output into large ones."""
