"""What the files of a module are called."""

from imagebeam.modules.errors import ModuleError

GRAPH_FILE = "saved_model.pb"
FLATBUFFER_SUFFIX = ".tflite"
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz")


def no_graph(handle: str) -> ModuleError:
    """The error of a directory that holds no module."""
    return ModuleError(
        f"{handle!r}: no module, there is no {GRAPH_FILE} in it. "
        "Give the directory of a TF-Hub module or a SavedModel."
    )
