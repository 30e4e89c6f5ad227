"""Turn a handle (path, archive, URL, bucket) into a local module, pinned and cached."""
