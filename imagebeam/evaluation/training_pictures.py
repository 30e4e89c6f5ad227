"""Recognise images that a module was trained on."""

from collections.abc import Sequence
from contextlib import suppress

from imagebeam.evaluation.labelled_images import Labelled
from imagebeam.images.settings import Preprocessing
from imagebeam.modules import training_pictures
from imagebeam.modules.types import Module
from imagebeam.storage import Settings, StoreError, store_for


def count_training_pictures(images: Sequence[Labelled], module: Module) -> int:
    """Count the images that the module remembers from its training.

    They are read once more for this, but only if the module remembers any.
    """
    remembered = training_pictures.read(module.source)
    if not remembered:
        return 0
    count = 0
    for image in images:
        # An image that cannot be read has been reported as a failure.
        with suppress(StoreError):
            store = store_for(image.uri, Settings())
            data = store.read(image.uri, Preprocessing.max_bytes)
            count += training_pictures.digest(data) in remembered
    return count
