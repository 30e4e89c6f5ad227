"""Judge by its name whether a file, an object or a member of an archive is an image."""

import fnmatch
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imagebeam.images.containers.kinds import SUFFIXES as CONTAINER_SUFFIXES

IMAGE_SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib"),
        *(".tif", ".tiff", ".heic", ".heif", ".hif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx"),
        *(".jpf", ".j2c", ".ppm", ".pgm", ".pbm", ".pnm", ".pam", ".tga", ".ico", ".icns"),
        *(".psd", ".psb", ".svg", ".svgz", ".eps", ".exr", ".hdr", ".dcm", ".qoi", ".dds"),
        *(".pcx", ".xcf", ".wmf", ".emf", ".jxr", ".wdp", ".bpg", ".mpo", ".jps", ".sgi"),
        # Raw files of cameras.
        *(".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf"),
        *(".rw2", ".raf", ".pef", ".srw", ".x3f", ".3fr", ".iiq", ".kdc", ".dcr", ".mrw"),
        *(".erf", ".mef", ".rwl", ".rwz", ".gpr", ".fff"),
        # Kinds of science, film and old programs.
        *(".fits", ".fts", ".dpx", ".cin", ".pct", ".pict", ".xbm", ".xpm", ".wbmp", ".ras"),
        *(".pfm", ".jls", ".cur", ".heics", ".avifs"),
    )
)
"""Names that folders, globs and archives take as images, in any case.

Some of these kinds cannot be decoded: their images become error rows that say so, because an
image must not be missing from the output without a word. A file named alone is always taken.
"""

_ARCHIVES = frozenset(
    (
        *(suffix for suffix in CONTAINER_SUFFIXES),
        *(".7z", ".rar", ".gz", ".bz2", ".xz", ".zst", ".lz4", ".iso", ".cab", ".jar", ".dmg"),
        *(".feather", ".arrow", ".avro", ".orc", ".lmdb", ".h5", ".hdf5", ".npz", ".rec"),
    )
)
_VIDEOS = frozenset(
    (
        *(".mov", ".mp4", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts"),
        *(".3gp", ".wmv", ".flv", ".ogv"),
    )
)
_OTHERS = frozenset(
    (
        *(".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".lst", ".xml"),
        *(".yaml", ".yml", ".html", ".htm", ".css", ".js", ".py", ".ipynb", ".log", ".ini"),
        *(".cfg", ".toml", ".sh", ".bat", ".xmp", ".aae", ".cls", ".idx", ".pdf", ".doc"),
        *(".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".rtf", ".odt", ".ods", ".db", ".sqlite"),
        *(".sqlite3", ".npy", ".pt", ".pth", ".pkl", ".pickle", ".mat", ".onnx", ".tflite"),
        *(".pb", ".ckpt", ".safetensors", ".mp3", ".wav", ".flac", ".m4a", ".aac", ".ogg"),
        *(".exe", ".dll", ".so", ".lnk", ".url", ".crc", ".md5", ".sha1", ".sha256", ".srt"),
        *(".vtt", ".gpx", ".kml", ".geojson", ".shp", ".dbf", ".prj", ".ttf", ".otf", ".woff"),
    )
)

FILE_SERVER_NAMES = frozenset(
    (
        *("@eadir", "#recycle", "@recycle", "@recently-snapshot", "#snapshot", ".thumbnails"),
        *("$recycle.bin", "system volume information", "lost+found", "__macosx", "@tmp"),
        *("~snapshot", "recycler"),
    )
)
"""Folders that file servers and operating systems make for their own use, in lower case."""

SHARD = re.compile(r"-\d+-of-\d+$")
"""The number of one of several files: `train.tfrecord-00000-of-00010`."""

SNIFFED_BYTES = 132

_PICTURE = re.compile(
    rb"\xff\xd8\xff|\x89PNG|GIF8|RIFF....WEBP|II\*\0|MM\0[*+]|II\+\0"
    rb"|BM............[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"
    # HEIF and AVIF, JPEG XL, JPEG 2000, Photoshop, PPM and its relatives.
    rb"|....ftyp(....){0,12}?(heic|heix|heim|heis|hevc|hevx|mif1|msf1|avif|avis|crx )"
    rb"|\xff\x0a|\0\0\0\x0c(JXL |jP  )\r\n\x87\n|\xff\x4f\xff\x51|8BPS|P[1-6][ \t\r\n#]"
    # Raw files of cameras, FITS, DICOM.
    rb"|II(RO|RS|U\0)|MMOR|FUJIFILMCCD-RAW|FOVb|II..\0\0HEAPCCDR|SIMPLE  = {20}T|.{128}DICM",
    re.DOTALL,
)

Judgement = Literal[
    "image", "table", "unknown", "hidden", "excluded", "archive", "video", "other_kind"
]
"""`image` is requested; `table` is an input of its own; for `unknown` the content decides; the rest
are reasons to leave it out."""


_JUDGEMENTS: dict[str, Judgement] = {
    **dict.fromkeys(_OTHERS, "other_kind"),
    **dict.fromkeys(_VIDEOS, "video"),
    **dict.fromkeys(_ARCHIVES, "archive"),
    **dict.fromkeys(IMAGE_SUFFIXES, "image"),
}


@dataclass(frozen=True)
class NameRules:
    """Which names a listing leaves out.

    Attributes:
        exclude: globs. One without a slash is matched with each part of a path, one with a slash
            with the whole path below the input, where `**` stands for any folders.
    """

    exclude: tuple[str, ...] = ()

    def judge(self, path: str) -> Judgement:
        """Judge a path below an input, such as `2024/a.jpg`."""
        parts = path.split("/")
        for depth, part in enumerate(parts):
            if reason := self.reason_to_skip(parts[: depth + 1], part):
                return reason
        return self.judge_name(parts[-1])

    def judge_name(self, name: str) -> Judgement:
        """Judge a name by its suffix alone."""
        return judge_suffix(name)

    def reason_to_skip(
        self, parts: Sequence[str], name: str
    ) -> Literal["hidden", "excluded"] | None:
        """Return why a file or folder is left out whatever it holds; None if it is not.

        Args:
            parts: the parts of its path below the input.
            name: the last of them.
        """
        if name.lower() in FILE_SERVER_NAMES:
            return "excluded"
        if name.startswith(".") and name not in (".", ".."):
            return "hidden"
        return "excluded" if self._excludes(parts, name) else None

    def excludes(self, path: str) -> bool:
        """Return whether the globs leave out a path, or a folder above it."""
        parts = [part for part in path.split("/") if part]
        return bool(self.exclude) and any(
            self._excludes(parts[: depth + 1], part) for depth, part in enumerate(parts)
        )

    def _excludes(self, parts: Sequence[str], name: str) -> bool:
        for pattern in self.exclude:
            if "/" not in (glob := pattern.strip("/")):
                if fnmatch.fnmatchcase(name, glob):
                    return True
                continue
            # `**` stands for no folder too.
            globs = {glob, glob.removeprefix("**/"), glob.replace("/**/", "/")}
            if any(fnmatch.fnmatchcase("/".join(parts), each) for each in globs):
                return True
        return False


def judge_suffix(name: str) -> Judgement:
    """Judge a name by its suffix alone."""
    suffix = os.path.splitext(name)[1].lower()
    return _JUDGEMENTS.get(SHARD.sub("", suffix) if "-of-" in suffix else suffix, "unknown")


def judge_content(head: bytes) -> Literal["image", "other_kind"]:
    """Judge the first `SNIFFED_BYTES` bytes of content whose name is `unknown`."""
    return "image" if _PICTURE.match(head) else "other_kind"


def is_image_name(name: str) -> bool:
    """Return whether a name alone shows that it is an image."""
    return judge_suffix(name) == "image"


def is_hidden(name: str) -> bool:
    """Return whether a name is one that file managers and globs hide."""
    return name.startswith(".")
