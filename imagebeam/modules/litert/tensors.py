"""The tensors at the input and the outputs of a flatbuffer, and the conversion of pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from imagebeam.modules.input_ranges import BGR, HUB_RANGE, Range
from imagebeam.modules.types import FloatArray, Pixels

DTYPES = (np.uint8, np.int8, np.int16, np.float32)
"""The types of outputs."""
INPUT_DTYPES = (*DTYPES, np.float16, np.float64, np.int32, np.int64)

PixelWriter = Callable[[Pixels, npt.NDArray[Any]], None]
"""Writes pixels uint8 (N, height, width, 3) to an array of that shape, as an input takes them."""


@dataclass(frozen=True)
class Tensor:
    """An input or output of a flatbuffer.

    Attributes:
        index: the interpreter's number for it.
        dtype: one of `INPUT_DTYPES`.
        scale: with `zero_point`, the affine quantisation `real = (q - zero_point) * scale`; 0 when
            the values are not quantised.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    def dequantise(self, values: npt.NDArray[Any]) -> FloatArray:
        """Convert quantised `values` to real numbers, float32."""
        real = values.astype(np.float32)
        if self.scale:
            real -= np.float32(self.zero_point)
            real *= np.float32(self.scale)
        return real

    @property
    def takes_bytes(self) -> bool:
        """Return whether it takes pixel bytes, as they are, in wider integers or shifted by 128."""
        return self.dtype in (np.uint8, np.int8, np.int32, np.int64)

    @property
    def is_planes(self) -> bool:
        """Return whether the channels of pictures come before height and width."""
        return len(self.shape) == 4 and self.shape[1] == 3 and self.shape[3] != 3

    def pictures(self, count: int, size: tuple[int, int]) -> npt.NDArray[Any]:
        """Make zeros (count, height, width, 3) for pictures of a size.

        Their memory has the order that `as_input` needs.
        """
        shape = (count, 3, *size) if self.is_planes else (count, *size, 3)
        made: npt.NDArray[Any] = np.zeros(shape, self.dtype)
        return made.transpose(0, 2, 3, 1) if self.is_planes else made

    def as_input(self, pictures: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return `pictures` in the order of axes that an input takes."""
        planes: npt.NDArray[Any] = pictures.transpose(0, 3, 1, 2)
        return planes if self.is_planes else pictures

    @property
    def quantised_range(self) -> Range:
        """Return the real values of the lowest and the highest integer."""
        limits = np.iinfo(self.dtype if self.dtype.itemsize <= 2 else np.uint8)
        if not self.scale:
            return float(limits.min), float(limits.max)
        low, high = ((limit - self.zero_point) * self.scale for limit in (limits.min, limits.max))
        return float(low), float(high)


def tensor_of(details: Mapping[str, Any]) -> Tensor:
    """Read the details that an interpreter gives of a tensor."""
    scale, zero_point = details["quantization"]
    return Tensor(
        index=int(details["index"]),
        name=str(details["name"]),
        shape=tuple(int(length) for length in details["shape"]),
        dtype=np.dtype(details["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


def pixel_writer(picture: Tensor, ranges: tuple[Range, ...], channels: str) -> PixelWriter:
    """Return the function that turns pixels into the input `picture`.

    Args:
        picture: the input.
        ranges: the values of pixels 0 and 255 there: one pair for all channels, or one for each.
        channels: the order of the colours there.
    """
    write = _writer(picture, ranges)
    if channels != BGR:
        return write
    return lambda pixels, pictures: write(pixels[..., ::-1], pictures)


def _writer(picture: Tensor, ranges: tuple[Range, ...]) -> PixelWriter:
    bounds = np.asarray(ranges, np.float32)
    low, high = bounds[:, 0], bounds[:, 1]
    if picture.dtype.kind == "f":

        def write_floats(pixels: Pixels, pictures: npt.NDArray[Any]) -> None:
            np.divide(pixels, np.float32(255), out=pictures, casting="same_kind")
            if ranges != (HUB_RANGE,):
                pictures *= high - low
                pictures += low

        return write_floats
    if picture.takes_bytes and ranges == (picture.quantised_range,):
        return _write_bytes
    # A quantised input that stands for another range than its bytes span.
    real = np.linspace(low, high, 256)
    limits = np.iinfo(picture.dtype)
    integers = np.round(real / (picture.scale or 1) + picture.zero_point)
    table = integers.clip(limits.min, limits.max).astype(picture.dtype)
    table = np.broadcast_to(table, (256, 3))

    def write_integers(pixels: Pixels, pictures: npt.NDArray[Any]) -> None:
        for channel in range(pixels.shape[-1]):
            pictures[..., channel] = table[:, channel][pixels[..., channel]]

    return write_integers


def _write_bytes(pixels: Pixels, pictures: npt.NDArray[Any]) -> None:
    if pictures.dtype != np.int8:
        pictures[:] = pixels
    else:
        np.bitwise_xor(pixels, np.uint8(128), out=pictures.view(np.uint8))
