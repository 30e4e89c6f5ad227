"""Names in buckets: `gs://bucket/name`. A name is any text, with slashes that mean nothing."""

from imagebeam.storage.errors import Missing, NotAnObject


def split_name(uri: str) -> tuple[str, str]:
    """The bucket and the name of an object, neither of them unquoted or tidied.

    Raises:
        NotAnObject: it names a bucket only.
        Missing: it names none, or is no text that could be a name.
    """
    bucket, name = split_prefix(uri)
    if not name:
        raise NotAnObject("a bucket, not an object in it")
    return bucket, name


def split_prefix(uri: str) -> tuple[str, str]:
    """The same of what names start with, which may be nothing.

    Raises:
        Missing: it names no bucket, or is no text that could be a name.
    """
    bucket, _, name = uri.partition("://")[2].partition("/")
    if not bucket:
        raise Missing("names no bucket")
    if not _is_text(name):
        raise Missing("no object has such a name, which is not UTF-8")
    return bucket, name


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
