"""Find the images of an input: folders, globs, manifests, containers, buckets."""
