"""What libraries print, kept away from the person who watches."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


@contextmanager
def aside(path: Path, debug: bool) -> Iterator[TextIO]:
    """Send what libraries say, in any language, to the end of a file; gives the real stderr.

    Workers print the trace of every failed try, and native code writes past Python's streams:
    neither is for a person who watches a progress bar. With `debug` all of it is shown.
    """
    logging.captureWarnings(True)
    logging.getLogger().setLevel(logging.INFO if debug else logging.WARNING)
    if debug:
        yield sys.stderr
        return
    sys.stderr.flush()
    real = os.dup(2)
    try:
        with path.open("a") as file, os.fdopen(os.dup(real), "w") as stderr:
            os.dup2(file.fileno(), 2)
            yield stderr
    finally:
        sys.stderr.flush()
        os.dup2(real, 2)
        os.close(real)
