"""Fetch and decode images in child processes, with deadlines and memory limits."""
