"""Types of table columns as plain lists, so that a process need not parse another one's Arrow data.

Types that only say how values are stored come as the types of these values.
"""

from typing import Any

import pyarrow as pa


def described(kind: pa.DataType) -> list[Any]:
    """Return the name of a type and its parameters."""
    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return described(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return described(kind.storage_type)
    if types.is_struct(kind):
        return ["struct", *([field.name, described(field.type)] for field in kind)]
    if types.is_union(kind):
        # No output can hold one. A message names it.
        fields = map(kind.field, range(kind.num_fields))
        return [f"{kind.mode}_union", *([field.name, described(field.type)] for field in fields)]
    if types.is_map(kind):
        return ["map_", described(kind.key_type), described(kind.item_type)]
    if types.is_fixed_size_list(kind):
        return ["list_", kind.value_field.name, described(kind.value_type), kind.list_size]
    if types.is_large_list(kind):
        return ["large_list", kind.value_field.name, described(kind.value_type)]
    if types.is_list(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
        return ["list_", kind.value_field.name, described(kind.value_type)]
    if types.is_timestamp(kind):
        return ["timestamp", kind.unit, kind.tz]
    if types.is_decimal(kind):
        return [f"decimal{kind.bit_width}", kind.precision, kind.scale]
    if types.is_fixed_size_binary(kind):
        return ["binary", kind.byte_width]
    # The types of views of texts and bytes are called as those of the values, with this suffix.
    return [str(kind).removesuffix("_view")]


def described_type(description: Any) -> pa.DataType | None:
    """Return the type that `described` described; None for one that no output can hold."""
    try:
        return _type(description)
    except (ValueError, TypeError):
        return None


def _type(description: Any) -> pa.DataType:
    match description:
        case ["struct", *fields]:
            return pa.struct([(name, _type(kind)) for name, kind in fields])
        case [("dense_union" | "sparse_union") as name, *fields]:
            return getattr(pa, name)([pa.field(each, _type(kind)) for each, kind in fields])
        case ["map_", key, item]:
            return pa.map_(_type(key), _type(item))
        case [("list_" | "large_list") as name, field, kind, *size]:
            return getattr(pa, name)(pa.field(field, _type(kind)), *size)
        case ["timestamp", unit, zone]:
            return pa.timestamp(unit, zone)
        case [("decimal32" | "decimal64" | "decimal128" | "decimal256") as name, precision, scale]:
            return getattr(pa, name)(precision, scale)
        case ["binary", size]:
            return pa.binary(size)
        case [name]:
            return pa.type_for_alias(name)
        case _:
            raise ValueError("no description of a type")


def is_text(kind: pa.DataType) -> bool:
    """Return whether values of a type are texts."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def stored(kind: pa.DataType) -> pa.DataType:
    """Return a type with the same values that Python holds exactly, such as numbers for times."""
    types = pa.types
    if types.is_temporal(kind) and not types.is_interval(kind):
        return pa.int64() if kind.bit_width == 64 else pa.int32()
    if types.is_float16(kind):
        return pa.float32()
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return stored(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return stored(kind.storage_type)
    if types.is_struct(kind):
        return pa.struct([field.with_type(stored(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(stored(kind.key_type), stored(kind.item_type))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return pa.large_list(stored(kind.value_type))
    return kind
