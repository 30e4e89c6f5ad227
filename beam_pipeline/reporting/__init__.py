"""What a person or another program sees while a command runs: progress, tables, logs."""
