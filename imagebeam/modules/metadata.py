"""The metadata of a module, `module.json`: beside the graph, or zipped to a flatbuffer.

A SavedModel has the file as `assets.extra/module.json`. A flatbuffer has it, with `labels.txt`,
among its appended files, where class names of foreign flatbuffers are found too. Those of foreign
SavedModels are in `assets`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from imagebeam.modules import appended_files, yaml_lists
from imagebeam.modules.class_lists import names_in
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.input_ranges import ASSUMED, RGB, STATED, InputFacts, Range
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.types import ModuleInfo
from imagebeam.version import MODULE_FORMAT

ASSET = "assets.extra/module.json"
FLATBUFFER_ASSET = "assets.extra/module.tflite"

_JSON_ENTRY = "module.json"
LABELS_ENTRY = "labels.txt"
_LISTS = (".txt", ".csv", ".json", ".pbtxt", *yaml_lists.SUFFIXES)
_NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Metadata:
    """A parsed `module.json`; missing values are None or empty.

    Attributes:
        outputs: for each head, its position among the outputs of a flatbuffer.
        labels: the lines of each associated text file, by file name.
        channel_ranges: instead of `value_range`, one range for each channel.
        channels: the order of the colours, "rgb" or "bgr".
        range_origin: how the range was found out; None if the author states it.
        signature: the function to run.
        kinds: the kind of each output to use, by its name; `outputs` comes first.
    """

    image_size: tuple[int, int] | None = None
    value_range: tuple[float, float] | None = None
    classes: tuple[str, ...] | None = None
    quantops: bool | None = None
    network: Mapping[str, Any] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, int] | None = None
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    channel_ranges: tuple[Range, ...] | None = None
    channels: str | None = None
    range_origin: str | None = None
    signature: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)

    def input_facts(self) -> InputFacts | None:
        """Return what is stated of the range of the input; None if nothing is."""
        ranges = self.channel_ranges or (self.value_range and (self.value_range,))
        return InputFacts(ranges, self.range_origin or STATED, self.channels) if ranges else None

    def with_options(self, options: ModuleOptions) -> "Metadata":
        """Add what `options` state; it replaces earlier statements."""
        changed: dict[str, Any] = {}
        if options.ranges is not None:
            one = len(options.ranges) == 1
            changed["value_range"] = options.ranges[0] if one else None
            changed["channel_ranges"] = None if one else options.ranges
            changed["range_origin"] = None
        if options.outputs:
            changed |= {"kinds": options.kinds, "outputs": None}
        for name in ("channels", "signature", "image_size"):
            if (value := getattr(options, name)) is not None:
                changed[name] = value
        return replace(self, **changed)

    def class_names(self, class_count: int, source: str) -> tuple[str, ...] | None:
        """Return one name per class: from `classes`, else from a text file with as many lines.

        Raises:
            ModuleError: `classes` has another number of names than `class_count`.
        """
        if self.classes is not None:
            if len(self.classes) != class_count:
                raise ModuleError(
                    f"{source}: its metadata names {len(self.classes)} classes but its output has "
                    f"{class_count}. Ask its author for a consistent module."
                )
            return self.classes
        fitting = [name for name, lines in self.labels.items() if len(lines) == class_count]
        # Translations have longer names, such as labels_de.txt.
        fitting.sort(key=lambda name: (not _names_labels(name), len(name)))
        return self.labels[fitting[0]] if fitting else None

    def unused_labels(self, class_count: int) -> tuple[str, ...]:
        """Return a sentence about each file of labels if none of them has `class_count` names."""
        if self.classes is not None or class_count in map(len, self.labels.values()):
            return ()
        return tuple(
            f"the module's {name} names {len(lines):,} classes, but the module has "
            f"{class_count:,}, so these names are not used."
            for name, lines in self.labels.items()
            if _names_labels(name)
        )


def _names_labels(name: str) -> bool:
    return "label" in name.lower() or "class" in name.lower()


def metadata_of(info: ModuleInfo, heads: Sequence[str]) -> Metadata:
    """Return what a flatbuffer of the module `info` should state; `heads` are its outputs."""
    return Metadata(
        image_size=info.image_size,
        value_range=None if info.range_origin == ASSUMED else info.value_range,
        channel_ranges=info.channel_ranges,
        channels=info.channels if info.channels != RGB else None,
        range_origin=None if info.range_origin in (STATED, ASSUMED) else info.range_origin,
        classes=info.class_names,
        quantops=info.quantops,
        network=info.network,
        provenance=info.provenance,
        outputs={head: position for position, head in enumerate(heads)},
    )


def parse(text: str | bytes, source: str) -> Metadata:
    """Parse the JSON `text`; `source` names it in errors.

    Raises:
        ModuleError: `text` is not JSON, has another format, or has values of a wrong type.
    """
    try:
        values = json.loads(text)
        if values["format"] != MODULE_FORMAT:
            raise ValueError(f"its format is {values['format']!r}, not {MODULE_FORMAT!r}")
        return _from_json(values)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModuleError(
            f"{source}: unreadable module metadata ({type(error).__name__}: {error}). "
            "Export the module again."
        ) from error


def _from_json(values: dict[str, Any]) -> Metadata:
    size, value_range, classes = (
        values.get(key) for key in ("image_size", "value_range", "classes")
    )
    outputs, ranges = values.get("outputs"), values.get("channel_ranges")
    # The options check the order of colours and the kinds of outputs.
    stated = ModuleOptions(channels=values.get("channels"), outputs=values.get("kinds") or {})
    return Metadata(
        image_size=None if size is None else _pair(int, size),
        value_range=None if value_range is None else _pair(float, value_range),
        classes=None if classes is None else tuple(str(name) for name in classes),
        quantops=values.get("quantops"),
        network=values.get("network"),
        provenance=dict(values.get("provenance") or {}),
        outputs=None if outputs is None else {str(k): int(v) for k, v in outputs.items()},
        channel_ranges=None if ranges is None else tuple(_pair(float, each) for each in ranges),
        channels=stated.channels,
        range_origin=values.get("range_origin"),
        signature=values.get("signature"),
        kinds=stated.kinds,
    )


def _pair(kind: type, values: Any) -> tuple[Any, Any]:
    first, second = values
    return kind(first), kind(second)


def render(metadata: Metadata) -> str:
    """Render `metadata` as the text of a `module.json`: sorted keys, indented by two."""
    values = {
        "format": MODULE_FORMAT,
        "image_size": metadata.image_size,
        "value_range": metadata.value_range,
        "classes": metadata.classes,
        "quantops": metadata.quantops,
        "network": metadata.network,
        "provenance": dict(metadata.provenance),
        "outputs": metadata.outputs,
    }
    optional = ("channel_ranges", "channels", "range_origin", "signature", "kinds")
    values |= {name: value for name in optional if (value := getattr(metadata, name))}
    return json.dumps(values, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def append_to_flatbuffer(
    flatbuffer: bytes, metadata: Metadata, others: Mapping[str, bytes] = _NO_FILES
) -> bytes:
    """Append `module.json`, `labels.txt` if classes are named, and other files, as a zip."""
    entries = {_JSON_ENTRY: render(metadata).encode()}
    if metadata.classes is not None:
        entries[LABELS_ENTRY] = "".join(f"{name}\n" for name in metadata.classes).encode()
    return appended_files.append(flatbuffer, {**entries, **others})


def read_from_folder(path: Path) -> Metadata:
    """Read the metadata of the SavedModel in the folder `path`, and the text files of its assets.

    Raises:
        ModuleError: it is damaged.
    """
    file = path / ASSET
    metadata = parse(file.read_bytes(), repr(str(file))) if file.is_file() else Metadata()
    labels = {
        asset.name: _names(asset.read_bytes(), asset.name)
        for asset in sorted(path.glob("assets*/*"))
        if asset.suffix in _LISTS and asset != file
        if asset.stat().st_size <= appended_files.LARGEST
    }
    return replace(metadata, labels=labels)


def other_files(flatbuffer: bytes, source: str) -> dict[str, bytes]:
    """Return the files of others in a flatbuffer's zip; raise ModuleError if it is damaged."""
    own = (_JSON_ENTRY, LABELS_ENTRY)
    return appended_files.read(flatbuffer, lambda name: name not in own, source)


def read_from_flatbuffer(content: bytes, source: str) -> Metadata:
    """Read the metadata in a flatbuffer's zip, if any; raise ModuleError if it is damaged."""

    def is_metadata(name: str) -> bool:
        return name == _JSON_ENTRY or name.endswith(_LISTS)

    files = appended_files.read(content, is_metadata, source)
    if (stated := files.pop(_JSON_ENTRY, None)) is not None:
        return parse(stated, f"{source} (its {_JSON_ENTRY})")
    return Metadata(labels={name: _names(data, name) for name, data in files.items()})


def _names(data: bytes, file: str) -> tuple[str, ...]:
    """Read class names; empty if the file holds something else, or is in another encoding."""
    try:
        return names_in(data.decode("utf-8-sig"), file)
    except ValueError:
        return ()
