"""Read manifests: lists of images as text, tables or JSON."""
