"""Test that Examples are read as protobuf reads them, and that damaged ones are refused."""

import random
from contextlib import suppress
from typing import Any

import pytest

from imagebeam.images.containers.examples import Features
from imagebeam.images.errors import BadMember
from imagebeam.storage.tfrecord import Example

_KINDS = {"bytes_list": "bytes", "float_list": "float", "int64_list": "int", None: ""}


def _made(rng: random.Random) -> Any:
    made = Example()
    for number in range(rng.randrange(6)):
        feature = made.features.feature[f"image/ü{number}"]
        count = rng.randrange(4)
        match rng.randrange(4):
            case 0:
                feature.bytes_list.value.extend(rng.randbytes(300) for _ in range(count))
            case 1:
                feature.float_list.value.extend(rng.uniform(-1e9, 1e9) for _ in range(count))
            case 2:
                numbers = (-(2**63), -1, 0, 127, 128, 2**63 - 1)
                feature.int64_list.value.extend(rng.choice(numbers) for _ in range(count))
    return made


def _features(data: bytes) -> dict[str, tuple[str, list[Any]]]:
    features = Features(data)
    return {key: features.values(key) for key in features.payloads}


def _of_protobuf(example: Any) -> dict[str, tuple[str, list[Any]]]:
    found = {}
    for key, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        found[key] = _KINDS[kind], list(getattr(feature, kind).value) if kind else []
    return found


def test_examples_are_read_as_protobuf_reads_them() -> None:
    rng = random.Random(1)
    for _ in range(300):
        # Messages that follow one another are one message: their maps are joined.
        first, second = _made(rng), _made(rng)
        data = first.SerializeToString() + second.SerializeToString()
        assert _features(data) == _of_protobuf(Example.FromString(data))


def test_lists_that_are_not_packed_and_unknown_fields() -> None:
    # Field 9 is unknown; the list has its numbers in fields of their own.
    of_ints = b"\x1a\x04\x08\x01\x08\x02"
    entry = b"\x0a\x01k\x12" + bytes([len(of_ints)]) + of_ints
    features = b"\x0a" + bytes([len(entry)]) + entry
    data = b"\x48\x05\x0a" + bytes([len(features)]) + features
    assert _features(data) == {"k": ("int", [1, 2])} == _of_protobuf(Example.FromString(data))


def test_damage_is_refused() -> None:
    rng = random.Random(2)
    for _ in range(3000):
        data = bytearray(_made(rng).SerializeToString() or b"\x0a\0")
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        data = data[: rng.randrange(len(data) + 1)]
        with suppress(BadMember):
            _features(bytes(data))


def test_very_many_fields_are_refused() -> None:
    with pytest.raises(BadMember, match="it has more than 100,000 fields"):
        Features(b"\x0a\x02\x0a\0" * 1_000_000)
