"""Flatbuffers: their interface, their metadata, their interpreters."""
