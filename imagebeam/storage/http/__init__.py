"""Images and modules over HTTP: safe addresses, deadlines, checksums, redirects."""
