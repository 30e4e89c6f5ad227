"""Draw pictures as a module sees them, with its answers beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from imagebeam.modules.model_outputs import ModelOutputs

_SIDE = 160
_COLUMN = 300
_GAP = 12
_LINE = 18
_HEADER = 3 * _LINE
_FONT_SIZE = 13
_BLACK, _GREY, _WHITE = (20, 20, 20), (110, 110, 110), (255, 255, 255)
_LETTERS = 40


@dataclass(frozen=True)
class SheetColumn:
    """The answers of one variant of a module, such as another engine or another input range.

    Attributes:
        title: what distinguishes the variant, one entry per line.
        lines: for each picture, the lines that describe its answer.
    """

    title: Sequence[str]
    lines: Sequence[Sequence[str]]


def answer_lines(
    outputs: ModelOutputs, class_names: Sequence[str] | None, count: int
) -> list[list[str]]:
    """Describe the answer for each picture: its best classes, or its feature vector.

    Args:
        outputs: the outputs for N pictures.
        class_names: one per class; None shows their numbers.
        count: the number of classes to name.
    """
    if outputs.scores is None:
        features = outputs.features
        assert features is not None
        return [
            [f"{len(row):,} features", f"length {np.linalg.norm(row):.4g}", _numbers(row)]
            for row in features
        ]
    names = class_names or [str(number) for number in range(outputs.scores.shape[1])]
    return [
        [f"{row[at]:.3f}  {names[at]}" for at in np.argsort(-row, kind="stable")[:count]]
        for row in outputs.scores
    ]


def _numbers(row: npt.NDArray[np.float32]) -> str:
    return " ".join(f"{value:.3g}" for value in row[:4]) + (" …" if len(row) > 4 else "")


def draw_sheet(
    pixels: npt.NDArray[np.uint8], names: Sequence[str], answers: Sequence[SheetColumn]
) -> Image.Image:
    """Draw a sheet with one row per picture and one column per variant of the module.

    Args:
        pixels: uint8 (N, height, width, 3), as the module takes them.
    """
    height, width = pixels.shape[1:3]
    scale = _SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    row_height = _SIDE + _LINE + 2 * _GAP
    sheet = Image.new(
        "RGB",
        (_SIDE + 2 * _GAP + _COLUMN * len(answers), _HEADER + _GAP + row_height * len(pixels)),
        _WHITE,
    )
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)

    def write(place: tuple[int, int], lines: Sequence[str], colour: tuple[int, int, int]) -> None:
        for number, line in enumerate(lines):
            text = line if len(line) <= _LETTERS else f"{line[: _LETTERS - 1]}…"
            draw.text((place[0], place[1] + number * _LINE), text, colour, font)

    for column, variant in enumerate(answers):
        left = _SIDE + 2 * _GAP + column * _COLUMN
        write((left, _GAP), variant.title, _BLACK)
        for row, lines in enumerate(variant.lines):
            write((left, _HEADER + _GAP + row * row_height), lines, _BLACK)
    for row, picture in enumerate(pixels):
        top = _HEADER + _GAP + row * row_height
        sheet.paste(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST), (_GAP, top))
        write((_GAP, top + _SIDE + 2), [names[row][-_LETTERS // 2 :]], _GREY)
    return sheet
