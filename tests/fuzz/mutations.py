"""Mutations of bytes that depend only on the random numbers.

Flipped bytes alone rarely get past a checksum. So numbers are replaced by values at the borders of
their types, and checksums of the formats are put right afterwards.
"""

import copy
import json
import random
import re
import struct
import zlib
from collections.abc import Callable
from typing import Any

import google_crc32c

Mutate = Callable[[bytes, random.Random], bytes]

_BORDERS = (0, 1, -1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 1 << 31, (1 << 32) - 1, 1 << 32)
_LARGE = (*_BORDERS, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
_ODD: tuple[Any, ...] = (
    None,
    True,
    "",
    "\ud800",
    "/etc/passwd",
    "../x",
    -0.5,
    1e308,
    float("nan"),
    [],
    {},
    [[]],
)
_MOST = 4


def damage(data: bytes, rng: random.Random) -> bytes:
    """Change, insert, delete, repeat or cut some bytes, or replace numbers."""
    for _ in range(rng.randint(1, _MOST)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0 | 1 | 2:
                data = _number(data, at, rng)
            case 3 | 4:
                data = data[:at] + rng.randbytes(rng.randint(1, 4)) + data[at + 1 :]
            case 5:
                data = data[:at] + rng.randbytes(rng.randint(1, 600)) + data[at:]
            case 6:
                end = at + rng.randint(1, 600)
                data = data[:at] + data[at:end] * rng.choice((0, 2, 3)) + data[end:]
            case _:
                data = data[:at] if rng.random() < 0.3 else data
    return data


def _number(data: bytes, at: int, rng: random.Random) -> bytes:
    size = rng.choice((1, 2, 4, 8))
    value = rng.choice(_LARGE) & ((1 << 8 * size) - 1)
    return data[:at] + value.to_bytes(size, rng.choice(("little", "big"))) + data[at + size :]


def damage_tar(data: bytes, rng: random.Random) -> bytes:
    """Damage a tar: a field of a header, with the checksum put right, or any bytes."""
    if rng.random() < 0.3:
        return damage(data, rng)
    changed = bytearray(data)
    headers = [at for at in range(0, len(data), 512) if data[at + 257 : at + 262] == b"ustar"]
    for at in rng.sample(headers, min(len(headers), rng.randint(1, 2))):
        start, size = rng.choice(((0, 100), (124, 12), (124, 12), (156, 1), (345, 155)))
        if start == 124 and rng.random() < 0.7:
            field = b"\x80" + (rng.choice(_LARGE) & ((1 << 88) - 1)).to_bytes(11, "big")
        else:
            field = rng.choice((rng.randbytes(size), b"\0" * size, b"7" * size, b"LKxgSVMN"[:size]))
        changed[at + start : at + start + len(field)] = field
        header = bytes(changed[at : at + 512])
        total = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
        changed[at + 148 : at + 156] = b"%06o\0 " % total
    return bytes(changed)


def damage_zip(data: bytes, rng: random.Random) -> bytes:
    """Damage a zip: a number in one of its records, or any bytes."""
    if rng.random() < 0.3:
        return damage(data, rng)
    records = [
        found.start()
        for found in re.finditer(rb"PK(\x01\x02|\x03\x04|\x05\x06|\x06\x06|\x06\x07)", data)
    ]
    for _ in range(rng.randint(1, 3)):
        data = _number(data, rng.choice(records) + rng.randrange(4, 56), rng)
    return data


def damage_records(data: bytes, rng: random.Random) -> bytes:
    """Damage a TFRecord file; the checksums of lengths are put right."""
    changed = bytearray(damage(data, rng))
    length = rng.choice(_LARGE) & ((1 << 64) - 1)
    if rng.random() < 0.5 and len(changed) > 12:
        struct.pack_into("<Q", changed, 0, length if rng.random() < 0.5 else abs(len(changed) - 16))
    head = google_crc32c.value(bytes(changed[:8]))
    if len(changed) > 12:
        masked = (((head >> 15) | (head << 17)) + 0xA282EAD8) & 0xFFFFFFFF
        struct.pack_into("<I", changed, 8, masked)
    return bytes(changed)


def damage_png(data: bytes, rng: random.Random) -> bytes:
    """Damage the chunks of a PNG; their checksums are put right."""
    pieces = [data[:8]]
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += 12 + size
        if rng.random() < 0.4:
            body = damage(body, rng)
        if rng.random() < 0.1:
            kind = rng.choice((b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"acTL", b"PLTE", b"IDAT"))
        chunk = (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )
        pieces.append(chunk * rng.choice((1, 1, 1, 1, 0, 2)))
    return b"".join(pieces)


def inside(
    unpack: Callable[[bytes], bytes], pack: Callable[[bytes], bytes], mutate: Mutate
) -> Mutate:
    """Return a mutation of what compressed data holds, which now and then damages the data too."""

    def mutated(data: bytes, rng: random.Random) -> bytes:
        if rng.random() < 0.3:
            return damage(data, rng)
        return pack(mutate(unpack(data), rng))

    return mutated


def damage_json(data: bytes, rng: random.Random) -> bytes:
    """Replace, drop or nest values of a JSON document, or damage its bytes."""
    if rng.random() < 0.2:
        return damage(data, rng)
    document = json.loads(data)
    for _ in range(rng.randint(1, 3)):
        holders = list(_holders(document))
        if not holders:
            break
        holder = rng.choice(holders)
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        value = holder[key]
        match rng.randrange(6):
            case 0:
                del holder[key]
            case 1 | 2:
                holder[key] = rng.choice(_LARGE)
            case 3:
                holder[key] = [value] if rng.random() < 0.5 else {str(key): value}
            case _:
                holder[key] = copy.deepcopy(rng.choice(_ODD))
    return json.dumps(document).encode()


def _holders(value: Any) -> Any:
    if isinstance(value, (dict, list)):
        if value:
            yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)


def damage_message(message: Any, rng: random.Random) -> None:
    """Replace, drop or repeat fields of a protocol buffer message, at any depth."""
    messages = list(_messages(message))
    for _ in range(rng.randint(1, 3)):
        owner = rng.choice(messages)
        field = rng.choice(owner.DESCRIPTOR.fields)
        try:
            _set(owner, field, rng)
        except (OverflowError, TypeError, ValueError):
            # A value that the type of the field cannot hold.
            owner.ClearField(field.name)


def _set(owner: Any, field: Any, rng: random.Random) -> None:
    values = getattr(owner, field.name)
    if field.type == field.TYPE_MESSAGE:
        if field.is_repeated and not field.message_type.GetOptions().map_entry:
            values.extend(list(values)[: rng.randint(0, 2)]) if rng.random() < 0.5 else values.add()
        elif not field.is_repeated:
            values.SetInParent()
        return
    value: Any = rng.choice(_LARGE)
    if field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        text = rng.choice(("", "x", "serve", "\0", "a" * 300))
        value = text if field.type == field.TYPE_STRING else text.encode()
    if field.is_repeated:
        values.append(value)
    else:
        setattr(owner, field.name, value)


def _messages(message: Any) -> Any:
    yield message
    for field, value in message.ListFields():
        if field.type != field.TYPE_MESSAGE:
            continue
        if not field.is_repeated:
            yield from _messages(value)
        elif not field.message_type.GetOptions().map_entry:
            for each in value:
                yield from _messages(each)
        elif field.message_type.fields_by_name["value"].type == field.TYPE_MESSAGE:
            for key in value:
                yield from _messages(value[key])
