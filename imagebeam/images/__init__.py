"""Bytes and pixels: list inputs, fetch, decode, resize; the errors that an image can end in."""
