"""Draw plants."""

import math

import numpy as np
from numpy.typing import NDArray

from benchmarks.sample_data.pen import Pen, box, ellipse, mirrored, rotation, smooth
from benchmarks.sample_data.things import BROWN, GREEN, PINK, RED, WHITE, YELLOW


def apple(pen: Pen) -> None:
    """Draw a round fruit, dented above and below, with stalk and leaf."""
    wide = pen.between(0.8, 0.95)
    half = [
        (0, -0.42),
        (0.3, -0.58),
        (0.7, -0.5),
        (wide, -0.05),
        (0.72, 0.58),
        (0.3, 0.92),
        (0, 0.82),
    ]
    pen.rod([(0, -0.4), (0.05, -0.7), (0.14, -0.95)], 0.1, BROWN)
    pen.shape(smooth(mirrored(half)), pen.pick(RED, RED, (120, 180, 50), (230, 180, 50)))
    pen.patch(ellipse(-0.45, -0.12, 0.12, 0.24, 0.5), WHITE)
    pen.line([(-0.16, -0.4), (0, -0.33), (0.16, -0.4)], 0.06)
    if pen.chance(0.85):
        pen.shape(_petal(0.1, -0.72, 0.5, 0.2, pen.between(-0.6, -0.1)), GREEN)


def cactus(pen: Pen) -> None:
    """Draw a ribbed trunk with two raised arms, in a pot."""
    green = pen.pick(GREEN, (90, 160, 80), (50, 130, 90))
    left, right = pen.between(-0.1, 0.3), pen.between(-0.1, 0.3)
    arms = [
        np.array([(0, left + 0.1), (-0.55, left + 0.1), (-0.55, left - 0.45)]),
        np.array([(0, right - 0.1), (0.55, right - 0.1), (0.55, right - 0.6)]),
    ]
    trunk = np.array([(0, 0.7), (0, -0.72)])
    if pen.style.outline:
        for stem, width in ((trunk, 0.46), (arms[0], 0.28), (arms[1], 0.28)):
            pen.line(stem, width + 2 * pen.style.outline)
    for stem, width in ((arms[0], 0.28), (arms[1], 0.28), (trunk, 0.46)):
        pen.line(stem, width, green)
    for x in (-0.12, 0.0, 0.12):
        pen.line([(x, -0.75), (x, 0.45)], 0.025)
    for stem in arms:
        pen.line(stem[1:], 0.025)
    if pen.chance(0.4):
        pen.shape(ellipse(0, -0.95, 0.13, 0.1), PINK)
    pen.shape([(-0.5, 0.5), (0.5, 0.5), (0.38, 1.0), (-0.38, 1.0)], (200, 100, 60))
    pen.shape(box(-0.58, 0.42, 0.58, 0.6), (200, 100, 60))


def flower(pen: Pen) -> None:
    """Petals around a centre, a stalk and two leaves."""
    count = int(pen.rng.integers(5, 9))
    colour = pen.pick(PINK, RED, WHITE, (150, 110, 220), (250, 170, 60))
    start = pen.between(0, 2 * math.pi)
    width = 0.95 * math.sin(math.pi / count)
    pen.rod([(0, -0.2), (0.05, 0.4), (0, 0.97)], 0.08, GREEN)
    pen.shape(_petal(0.03, 0.75, 0.55, 0.2, -0.5), GREEN)
    pen.shape(_petal(0.03, 0.85, 0.55, 0.2, math.pi + 0.5), GREEN)
    for index in range(count):
        turn = start + 2 * math.pi * index / count
        x, y = 0.36 * math.cos(turn), 0.36 * math.sin(turn) - 0.38
        pen.shape(ellipse(x, y, 0.25, 0.36 * width + 0.03, turn), colour)
    pen.shape(ellipse(0, -0.38, 0.2), pen.pick(YELLOW, (130, 80, 40)))


def leaf(pen: Pen) -> None:
    """Draw a pointed leaf with a middle rib, side veins and a stalk."""
    colour = pen.pick(GREEN, (110, 170, 60), (225, 130, 40), (190, 60, 45))
    wide = pen.between(0.42, 0.6)
    half = [(0, -0.98), (wide * 0.5, -0.6), (wide, 0.0), (wide * 0.72, 0.42), (0, 0.68)]
    pen.rod([(0, 0.6), (0.03, 0.98)], 0.07, colour)
    pen.shape(smooth(mirrored(half)), colour)
    pen.line([(0, -0.8), (0, 0.65)], 0.05)
    for y in (-0.42, -0.12, 0.18, 0.46):
        reach = wide * (0.78 - 0.6 * abs(y + 0.02))
        for side in (-1, 1):
            pen.line([(0, y), (reach * side, y - 0.24)], 0.035)


def mushroom(pen: Pen) -> None:
    """Draw a spotted cap on a pale stalk."""
    colour = pen.pick(RED, RED, (190, 120, 70), (225, 150, 60))
    wide = pen.between(0.82, 0.98)
    pen.shape(
        smooth([(-0.22, 0.0), (0.22, 0.0), (0.27, 0.6), (0.34, 0.95), (-0.34, 0.95), (-0.27, 0.6)]),
        WHITE,
    )
    if pen.chance(0.6):
        pen.shape([(-0.3, 0.1), (0.3, 0.1), (0.4, 0.3), (-0.4, 0.3)], (240, 230, 205))
    top = pen.between(-0.95, -0.8)
    cap = [(0, top), (0.5, top + 0.18), (wide - 0.1, -0.3), (wide, 0.08), (0.5, 0.17), (0, 0.2)]
    pen.shape(smooth(mirrored(cap)), colour)
    for x, y, size in (
        (0.0, -0.55, 0.16),
        (-0.45, -0.2, 0.14),
        (0.47, -0.22, 0.15),
        (0.08, -0.05, 0.1),
    ):
        pen.patch(ellipse(x + pen.between(-0.06, 0.06), y, size * pen.between(0.8, 1.1)), WHITE)


def tree(pen: Pen) -> None:
    """Draw a leafy tree with a round crown, or a fir of stacked triangles."""
    trunk = pen.between(0.11, 0.17)
    if pen.chance(0.5):
        pen.shape(box(-trunk, 0.5, trunk, 1.0), BROWN)
        green = pen.pick((35, 105, 50), (40, 125, 80))
        for top, bottom, wide in ((-0.2, 0.7, 0.8), (-0.6, 0.28, 0.62), (-1.0, -0.18, 0.44)):
            pen.shape([(0, top), (wide * pen.between(0.92, 1.08), bottom), (-wide, bottom)], green)
        return
    pen.shape([(-trunk, 1.0), (-trunk * 0.7, 0.1), (trunk * 0.7, 0.1), (trunk, 1.0)], BROWN)
    green = pen.pick(GREEN, (120, 160, 50), (215, 140, 50))
    lumps = [
        (-0.45, -0.1, 0.38),
        (0.45, -0.12, 0.38),
        (-0.27, -0.52, 0.37),
        (0.28, -0.52, 0.38),
        (0, -0.2, 0.45),
    ]
    pen.union([ellipse(x, y, size * pen.between(0.92, 1.08)) for x, y, size in lumps], green)
    if pen.chance(0.5):
        for x, y in ((-0.4, -0.05), (0.1, -0.35), (0.42, -0.2), (-0.2, -0.6)):
            pen.patch(ellipse(x, y, 0.085), RED)


def _petal(x: float, y: float, length: float, width: float, turn: float) -> NDArray[np.float64]:
    """Draw a pointed lens that grows from (x, y) in the direction `turn`."""
    lens = smooth(
        [(0, 0), (length * 0.45, width * 0.75), (length, 0), (length * 0.45, -width * 0.75)]
    )
    petal: NDArray[np.float64] = np.add(lens @ rotation(turn).T, (x, y))
    return petal
