"""Commit finished outputs to tables of Delta Lake and Apache Iceberg, exactly once."""
