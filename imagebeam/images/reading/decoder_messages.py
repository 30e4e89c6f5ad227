"""Read the messages that decoders write to standard error.

libtiff reports damaged pixels there and nowhere else: it returns a picture whose missing part is
memory that was never written. Such a picture must not be labelled.
"""

import os
import re
import sys
import tempfile

_STDERR = 2
_LONGEST = 4096
_DAMAGE = re.compile(
    r"^(?:\w+: )?(?:Fax\w*|LZW\w*|ZIP\w*|PackBits\w*|JPEG\w*|\w*Decode\w*): (?!Warning).*", re.M
)


class DecoderMessages:
    """Redirects this process's standard error to a file in memory and looks into it."""

    def __init__(self) -> None:
        if sys.platform == "linux":
            descriptor = os.memfd_create("stderr")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.dup2(descriptor, _STDERR)
        os.close(descriptor)

    def forget(self) -> None:
        """Delete the messages so far."""
        os.ftruncate(_STDERR, 0)
        os.lseek(_STDERR, 0, os.SEEK_SET)

    def damage(self) -> str | None:
        """Return the first message about damaged pixels, if there is one."""
        if os.lseek(_STDERR, 0, os.SEEK_CUR) == 0:
            return None
        text = os.pread(_STDERR, _LONGEST, 0).decode("utf-8", "replace")
        found = _DAMAGE.search(text)
        return found[0].strip() if found else None
