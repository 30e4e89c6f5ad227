"""Progress, tables, events and logs of a running command."""
