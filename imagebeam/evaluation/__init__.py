"""Measure a module's accuracy on labelled images."""
