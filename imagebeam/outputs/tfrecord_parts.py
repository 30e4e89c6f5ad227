"""TFRecord files of `tf.train.Example`, written and read without TensorFlow.

One Example per image: `uri` bytes, `width` and `height` int64, and depending on --emit `label`
bytes, `score` float, `top_k/class` int64, `top_k/label` bytes and `top_k/score` float lists,
`logits` and `features` float lists, and the columns that --keep copies from a manifest. Text is
UTF-8; null values are left out. `imagebeam/job` is the digest of the job, the same in each Example.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from google.protobuf.message import DecodeError

from imagebeam.outputs.provenance import JOB, stated_provenance
from imagebeam.storage import AnyPath, tfrecord
from imagebeam.storage.tfrecord import DamagedRecordError, Example

_JOB = f"imagebeam/{JOB}"


def encode(table: pa.Table) -> bytes:
    """Return the rows of a table of predictions as the content of a TFRecord file."""
    buffer = io.BytesIO()
    job = stated_provenance(table.schema).get(JOB)
    for row in table.to_pylist():
        row[_JOB] = job
        # Maps have no order of their own, but a shard that is done again must give the same bytes.
        tfrecord.write(buffer, _example(row).SerializeToString(deterministic=True))
    return buffer.getvalue()


def uris(
    path: AnyPath, check: Callable[[Mapping[str, Any]], object] = lambda provenance: None
) -> Iterator[str]:
    """Yield the `uri` of every Example in a file.

    Args:
        check: called with the file's provenance before the first `uri`.

    Raises:
        DamagedRecordError: the file is not a complete TFRecord file.
    """
    for number, record in enumerate(records(path)):
        example = _parsed(record)
        if number == 0:
            check(_provenance(example))
        yield _text(example, "uri")


def provenance(path: AnyPath) -> dict[str, Any]:
    """Return the provenance of a file, which its first record states; earlier versions wrote none.

    Raises:
        DamagedRecordError: the first record is damaged.
    """
    return next((_provenance(_parsed(record)) for record in records(path)), {})


def records(path: AnyPath) -> Iterator[bytes]:
    """Yield the bytes of every record; raise DamagedRecordError if the file is not complete."""
    with path.open("rb") as file:
        for start, length in tfrecord.places(file):
            yield tfrecord.read(file, start, length)


def rows(path: AnyPath) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file by column; null values are missing.

    Raises:
        DamagedRecordError: the file is not a complete TFRecord file, or a record is no row.
    """
    for record in records(path):
        try:
            feature = Example.FromString(record).features.feature
            row = {name: _values_of(name, feature[name]) for name in sorted(feature)}
            if "top_k/class" in row:
                names = [row.pop(f"top_k/{name}") for name in ("class", "label", "score")]
                row["top_k"] = [
                    {"class": index, "label": label, "score": score}
                    for index, label, score in zip(*names, strict=True)
                ]
        except (DecodeError, LookupError, ValueError, TypeError) as error:
            raise DamagedRecordError("a record is not an Example of a prediction") from error
        yield row


def count(path: AnyPath) -> int:
    """Return the number of records in a file, from their lengths alone.

    Raises:
        DamagedRecordError: a length is damaged, or the file ends in the middle of a record.
    """
    with path.open("rb") as file:
        return sum(1 for _ in tfrecord.places(file))


def _parsed(record: bytes) -> Any:
    try:
        return Example.FromString(record)
    except DecodeError as error:
        raise DamagedRecordError("a record is not an Example") from error


def _provenance(example: Any) -> dict[str, Any]:
    return {JOB: _text(example, _JOB)} if _JOB in example.features.feature else {}


def _text(example: Any, name: str) -> str:
    try:
        return str(example.features.feature[name].bytes_list.value[0].decode())
    except (LookupError, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"a record is not an Example with a `{name}`") from error


def _values_of(name: str, feature: Any) -> Any:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    if kind == "bytes_list":
        values = [value.decode() for value in values]
    is_list = name in ("logits", "features") or name.startswith("top_k/")
    return values if is_list else values[0] if values else None


def _example(row: dict[str, Any]) -> Any:
    example = Example()
    feature = example.features.feature
    top_k = row.pop("top_k", None)
    for name, value in row.items():
        if value is not None:
            _fill(feature[name], value if isinstance(value, list) else [value])
    if top_k is not None:
        for name in ("class", "label", "score"):
            _fill(feature[f"top_k/{name}"], [entry[name] for entry in top_k])
    return example


def _fill(feature: Any, values: list[Any]) -> None:
    match values[0] if values else None:
        case None:
            return
        case str():
            feature.bytes_list.value.extend(value.encode() for value in values)
        case bytes():
            feature.bytes_list.value.extend(values)
        case int():
            feature.int64_list.value.extend(values)
        case _:
            feature.float_list.value.extend(values)
