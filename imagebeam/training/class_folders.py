"""Folders of classes to train on: `IMAGES/CLASS/PICTURE`, with any folders within a class."""

from pathlib import Path

from imagebeam.evaluation.labelled_images import from_folders
from imagebeam.images import uris
from imagebeam.images.listing.names import is_hidden
from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.mobilenet_v1.folders import LabelledFolder, LabelledPicture


def read_folder(root: Path) -> LabelledFolder:
    """List the pictures below `root`, each in the folder of its class, as `module evaluate` does.

    Raises:
        NetworkError: the folder is missing, has fewer than two classes, or a class with fewer
            than two pictures.
        InputError: a picture is beside the folders of classes, or a folder cannot be listed.
    """
    if not root.is_dir():
        raise NetworkError(f"{root}: not a folder. Give a folder with one folder per class.")
    # A class without pictures is no picture of the listing, but a mistake.
    visible = (path for path in root.iterdir() if not is_hidden(path.name))
    found: dict[str, list[Path]] = {path.name: [] for path in visible if path.is_dir()}
    if len(found) < 2:
        raise NetworkError(
            f"{root}: {len(found)} class folders. Give a folder with at least two, "
            "each named after its class."
        )
    for image in from_folders(root):
        found.setdefault(image.label, []).append(Path(uris.to_path(image.uri)))
    classes = tuple(sorted(found))
    for name in classes:
        if (count := len(found[name])) < 2:
            raise NetworkError(
                f"{root / name}: {count} pictures. A class needs at least two, one for training "
                "and one for testing. Add pictures or remove the folder."
            )
    return LabelledFolder(
        classes,
        tuple(
            LabelledPicture(path, label)
            for label, name in enumerate(classes)
            for path in sorted(found[name])
        ),
    )
