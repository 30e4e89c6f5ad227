"""Read, adapt and interpret LiteRT flatbuffers."""
