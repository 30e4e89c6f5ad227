"""Values that `--keep` takes from the files beside an image in a folder."""

import os
from collections.abc import Callable, Sequence

from imagebeam.images.containers.kept_values import MOST_BYTES, Sidecars
from imagebeam.images.errors import BadMember, ImageError, UnexpectedListing
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.listing.path_columns import FOLDER, has_partition, values
from imagebeam.storage.errors import describe_unexpected
from imagebeam.storage.regular_files import NotRegularError, regular_file


def added(
    listed: ListedImage, path: str, columns: Sequence[str], content: Callable[[str], bytes | None]
) -> ListedImage:
    """Return an image with the values of the files beside it, and of its path.

    Args:
        listed: the image.
        columns: extensions such as `txt`, `json.KEY`, or what a path holds.
        content: returns the content of a file by its path; None if there is no such file.
    """
    of_path = values(listed.uri, columns)
    beside = [name for name in columns if name != FOLDER and not has_partition(listed.uri, name)]
    try:
        found = dict(zip(beside, Sidecars(beside).values(path, content), strict=True))
    except Exception as error:
        problem = (
            error
            if isinstance(error, ImageError)
            else UnexpectedListing(describe_unexpected(error))
        )
        nothing: tuple[str | None, ...] = (None,) * len(columns)
        return listed._replace(location=listed.error or problem, extra_columns=nothing)
    kept = (found.get(name, value) for name, value in zip(columns, of_path, strict=True))
    return listed._replace(extra_columns=tuple(kept))


def local_content(path: str) -> bytes | None:
    """Return the content of a local file, up to a byte more than is kept; None without one.

    Raises:
        BadMember: it cannot be read.
    """
    try:
        with regular_file(path) as file:
            return file.read(MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError, NotRegularError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise BadMember(
            f"`{os.path.basename(path)}`, which is to be kept, cannot be read: {reason}"
        ) from error
