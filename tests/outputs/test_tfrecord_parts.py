import importlib.util
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from imagebeam.outputs import tfrecord_parts
from imagebeam.outputs.schema import EMITTED, PredictionSchema
from imagebeam.storage import tfrecord
from imagebeam.storage.tfrecord import DamagedRecordError, Example

URIS = ["/a b.jpg", "/ö\n.jpg", "file:///%FF.jpg"]
SIDES = np.array([1, 500, 65_535], np.int32)
SCORES = np.array([[0.1, 0.6, 0.3], [0.25, 0.25, 0.5], [1, 0, 0]], np.float32)
LOGITS = np.array([[-1.5, 0.1, 3.25], [0, 1e-30, 2], [3e38, 1, 2]], np.float32)
FEATURES = np.array([[0.5, 1], [2, 3], [4, 5]], np.float32)


def table(emit: tuple[str, ...] = EMITTED) -> pa.Table:
    schema = PredictionSchema(emit, 2, ("tench", "Öl", ""), {})
    return schema.table(URIS, SIDES, SIDES, SCORES, LOGITS, FEATURES)


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    path = tmp_path / "part-1.tfrecord"
    path.write_bytes(tfrecord_parts.encode(table()))
    return path


def test_rows_survive_the_round_trip(whole: Path) -> None:
    assert list(tfrecord_parts.uris(whole)) == URIS
    assert tfrecord_parts.count(whole) == 3


def test_a_part_can_have_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "empty.tfrecord"
    path.write_bytes(tfrecord_parts.encode(table().slice(0, 0)))
    assert path.stat().st_size == 0
    assert list(tfrecord_parts.uris(path)) == []
    assert tfrecord_parts.count(path) == 0


def test_the_same_rows_are_the_same_bytes_in_another_process(whole: Path) -> None:
    again = (
        "import sys\n"
        "from imagebeam.outputs import tfrecord_parts\n"
        "from tests.outputs.test_tfrecord_parts import table\n"
        "sys.stdout.buffer.write(tfrecord_parts.encode(table()))"
    )
    done = subprocess.run([sys.executable, "-c", again], check=True, capture_output=True)
    assert done.stdout == whole.read_bytes()


def test_a_record_has_the_documented_layout() -> None:
    """Compare with a record of one feature, `uri`, written byte by byte."""
    schema = pa.schema([pa.field("uri", pa.string())])
    found = tfrecord_parts.encode(pa.table({"uri": ["x"]}, schema=schema))
    # Example{features{feature{key: "uri", value{bytes_list{value: "x"}}}}}
    example = b"\x0a\x0e\x0a\x0c\x0a\x03uri\x12\x05\x0a\x03\x0a\x01x"
    assert found[:8] == struct.pack("<Q", len(example))
    assert found[12:-4] == example
    assert found[8:12] == masked_crc32c(found[:8])
    assert found[-4:] == masked_crc32c(example)


def test_each_record_states_the_job(tmp_path: Path) -> None:
    schema = PredictionSchema(("labels",), 2, None, {"job": "0f"})
    path = tmp_path / "part.tfrecord"
    path.write_bytes(
        tfrecord_parts.encode(schema.table(URIS, SIDES, SIDES, SCORES, LOGITS, FEATURES))
    )
    assert [row["imagebeam/job"] for row in tfrecord_parts.rows(path)] == ["0f"] * 3
    assert tfrecord_parts.provenance(path) == {"job": "0f"}
    path.write_bytes(tfrecord_parts.encode(table()))
    assert tfrecord_parts.provenance(path) == {}


@pytest.mark.parametrize("value", [7, 0.5, b"\xff"])
def test_names_and_jobs_that_are_not_text_are_damage(tmp_path: Path, value: object) -> None:
    path = tmp_path / "part.tfrecord"
    for name in ("uri", "imagebeam/job"):
        values = {"uri": b"a"} | {name: value}
        example = Example()
        for feature, one in values.items():
            kind = {bytes: "bytes_list", int: "int64_list", float: "float_list"}[type(one)]
            getattr(example.features.feature[feature], kind).value.append(one)
        with path.open("wb") as file:
            tfrecord.write(file, example.SerializeToString())
        with pytest.raises(DamagedRecordError):
            list(tfrecord_parts.uris(path))


def masked_crc32c(data: bytes) -> bytes:
    """Compute bit by bit: the polynomial of RFC 3720, appendix B.4, reversed; then the mask."""
    checksum = 0xFFFFFFFF
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum >> 1) ^ (0x82F63B78 if checksum & 1 else 0)
    checksum ^= 0xFFFFFFFF
    turned = (checksum >> 15) | (checksum << 17) & 0xFFFFFFFF
    return struct.pack("<I", (turned + 0xA282EAD8) & 0xFFFFFFFF)


def test_the_checksum_is_crc32c() -> None:
    # The check value of the CRC catalogue for CRC-32/ISCSI.
    (masked,) = struct.unpack("<I", masked_crc32c(b"123456789"))
    turned = (masked - 0xA282EAD8) & 0xFFFFFFFF
    assert (turned >> 17) | (turned << 15) & 0xFFFFFFFF == 0xE3069283


def test_a_truncated_file_is_an_error(whole: Path) -> None:
    data = whole.read_bytes()
    ends = {0}
    at = 0
    while at < len(data):
        at += 16 + int.from_bytes(data[at : at + 8], "little")
        ends.add(at)
    assert len(ends) == 4
    for length in range(len(data)):
        whole.write_bytes(data[:length])
        if length in ends:
            assert len(list(tfrecord_parts.uris(whole))) == tfrecord_parts.count(whole) < 3
            continue
        with pytest.raises(DamagedRecordError, match=r"breaks off or has a wrong checksum"):
            list(tfrecord_parts.uris(whole))
        with pytest.raises(DamagedRecordError, match=r"breaks off or has a wrong checksum"):
            tfrecord_parts.count(whole)


def test_every_wrong_bit_is_detected(whole: Path) -> None:
    data = bytearray(whole.read_bytes())
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        whole.write_bytes(data)
        with pytest.raises(DamagedRecordError) as caught:
            list(tfrecord_parts.uris(whole))
        assert str(caught.value).startswith("breaks off or has a wrong checksum near")
        data[at] ^= 1 << at % 8


@pytest.mark.parametrize(
    "record", [b"", b"no Example", b"\x0a\x0c\x0a\x0a\x0a\x03uri\x12\x03\x12\x01x"]
)
def test_records_of_other_programs_are_refused(tmp_path: Path, record: bytes) -> None:
    length = struct.pack("<Q", len(record))
    path = tmp_path / "strange.tfrecord"
    path.write_bytes(length + masked_crc32c(length) + record + masked_crc32c(record))
    assert tfrecord_parts.count(path) == 1
    with pytest.raises(DamagedRecordError, match="a record is not an Example"):
        list(tfrecord_parts.uris(path))


READ = """
import json, sys
import tensorflow as tf
many = {"top_k/class": tf.int64, "top_k/label": tf.string, "top_k/score": tf.float32}
features = {
    "uri": tf.io.FixedLenFeature([], tf.string),
    "width": tf.io.FixedLenFeature([], tf.int64),
    "height": tf.io.FixedLenFeature([], tf.int64),
    "label": tf.io.FixedLenFeature([], tf.string),
    "score": tf.io.FixedLenFeature([], tf.float32),
    "top_k/class": tf.io.FixedLenFeature([2], tf.int64),
    "top_k/label": tf.io.FixedLenFeature([2], tf.string),
    "top_k/score": tf.io.FixedLenFeature([2], tf.float32),
    "logits": tf.io.FixedLenFeature([3], tf.float32),
    "features": tf.io.FixedLenFeature([2], tf.float32),
}
def plain(value):
    found = value.numpy()
    if isinstance(found, bytes):
        return found.decode()
    items = found.tolist()
    if isinstance(items, list):
        return [item.decode() if isinstance(item, bytes) else item for item in items]
    return items
for record in tf.data.TFRecordDataset(sys.argv[1]):
    parsed = tf.io.parse_single_example(record, features)
    assert set(tf.train.Example.FromString(record.numpy()).features.feature) == set(features)
    print(json.dumps({name: plain(value) for name, value in parsed.items()}))
"""


@pytest.mark.slow
def test_tensorflow_reads_the_file(whole: Path) -> None:
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install 'imagebeam[tensorflow]'")
    done = subprocess.run(
        [sys.executable, "-c", READ, whole], check=True, capture_output=True, text=True
    )
    expected = []
    for row in table().to_pylist():
        top_k = row.pop("top_k")
        for name in ("class", "label", "score"):
            row[f"top_k/{name}"] = [entry[name] for entry in top_k]
        expected.append(row)
    assert [json.loads(line) for line in done.stdout.splitlines()] == expected


@pytest.mark.slow
def test_the_descriptor_does_not_conflict_with_tensorflow(whole: Path) -> None:
    """Register `tf.train.Example` twice, in either order."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install 'imagebeam[tensorflow]'")
    for modules in (
        "tensorflow, imagebeam.outputs.tfrecord_parts",
        "imagebeam.outputs.tfrecord_parts, tensorflow",
    ):
        program = (
            f"import pathlib, sys, {modules}\n"
            "print(len(list(imagebeam.outputs.tfrecord_parts.uris(pathlib.Path(sys.argv[1])))))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, whole], check=True, capture_output=True, text=True
        )
        assert done.stdout == "3\n"


@pytest.mark.parametrize("emit", [("labels",), ("logits",), ("labels", "features")])
def test_only_requested_outputs_are_written(tmp_path: Path, emit: tuple[str, ...]) -> None:
    data = tfrecord_parts.encode(table(emit))
    for name in EMITTED:
        key = {"labels": b"top_k/class"}.get(name, name.encode())
        assert (key in data) is (name in emit)
