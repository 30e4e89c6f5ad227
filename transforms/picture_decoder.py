"""Decode pictures for `ModuleHandler` in a preprocessing function of Beam."""

from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from imagebeam.images.decode import decode
from imagebeam.images.errors import translate_store_errors
from imagebeam.images.settings import Access, Preprocessing
from imagebeam.images.uris import without_secrets
from imagebeam.storage import store_for


class Picture(NamedTuple):
    """A decoded picture with its name.

    Attributes:
        uri: as in the rows of the job, without secrets; "" for bytes.
        pixels: uint8 (height, width, 3), RGB, upright.
    """

    uri: str
    pixels: npt.NDArray[np.uint8]


@dataclass
class PictureDecoder:
    """Reads and decodes one picture, by the rules of the job but in the calling process.

    Use it with `ModuleHandler.with_preprocess_fn`. `LabelImages` decodes in isolated processes, so
    use that for pictures that you do not trust.

    Attributes:
        preprocessing: input size of the module, and limits.
        access: how images are reached that are not local files.
    """

    preprocessing: Preprocessing
    access: Access = field(default_factory=Access)

    def __call__(self, source: Any) -> Picture:
        """Decode a picture.

        Args:
            source: the bytes of a picture; a path or a URI; or a row with the field `uri`.

        Raises:
            ImageError: it cannot be read or decoded.
            TypeError: `source` is none of these.
        """
        rules = self.preprocessing
        if isinstance(source, bytes):
            uri, data = "", source
        else:
            address = uri_of(source)
            uri = without_secrets(address, self.access.hide_query)
            with translate_store_errors():
                store = store_for(address, self.access.settings)
                data = store.read(address, rules.max_bytes)
        decoded = decode(data, rules.size, rules.resize, rules.max_pixels, rules.truncated)
        return Picture(uri, decoded.pixels)


def uri_of(element: Any) -> str:
    """Return the URI that an element of a pipeline names: a string, a path or a field `uri`.

    Raises:
        TypeError: it names none.
    """
    named = getattr(element, "uri", element)
    if isinstance(named, (str, PathLike)):
        return fspath(named)
    raise TypeError(
        f"{type(element).__name__}: names no image. Give a URI, or a row with the field `uri`."
    )
