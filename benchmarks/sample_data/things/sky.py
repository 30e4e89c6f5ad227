"""Draw things in the sky."""

import math

import numpy as np

from benchmarks.sample_data.pen import Pen, ellipse, mirrored, smooth
from benchmarks.sample_data.things import BLUE, GREEN, GREY, ORANGE, RED, SKY, WHITE, YELLOW


def balloon(pen: Pen) -> None:
    """Draw a toy balloon with its knot, on a wavy string."""
    colour = pen.pick(RED, BLUE, GREEN, YELLOW, (200, 90, 190))
    wide, swing = pen.between(0.55, 0.66), pen.between(0.06, 0.16)
    pen.line(
        [(swing * math.sin(4 * t), 0.3 + 0.7 * t) for t in (0, 0.2, 0.4, 0.6, 0.8, 1.0)], 0.035
    )
    pen.shape([(0, 0.22), (0.13, 0.4), (-0.13, 0.4)], colour)
    half = [(0, -1.0), (wide * 0.72, -0.82), (wide, -0.35), (wide * 0.6, 0.1), (0, 0.3)]
    pen.shape(smooth(mirrored(half)), colour)
    pen.patch(ellipse(-wide * 0.45, -0.55, 0.09, 0.2, 0.4), WHITE)


def rain_cloud(pen: Pen) -> None:
    """Draw a cloud of round lumps with drops falling from it."""
    grey = pen.pick((175, 185, 200), (120, 130, 150), (235, 240, 245))
    lumps = [
        (-0.6, -0.2, 0.32),
        (-0.2, -0.45, 0.42),
        (0.3, -0.4, 0.36),
        (0.64, -0.15, 0.3),
        (0.05, -0.12, 0.35),
    ]
    tilt = pen.between(0.08, 0.2)
    for row, y in enumerate((0.35, 0.72)):
        for x in (-0.55, -0.18, 0.19, 0.56):
            left, top = x - row * tilt, y + pen.between(-0.06, 0.06)
            drop = [
                (left + 0.06, top - 0.16),
                (left + 0.08, top + 0.06),
                (left, top + 0.13),
                (left - 0.08, top + 0.06),
            ]
            pen.shape(drop, (60, 130, 220))
    pen.union([ellipse(x, y, size * pen.between(0.9, 1.08)) for x, y, size in lumps], grey)


def rocket(pen: Pen) -> None:
    """Draw a rocket with nose cone, fins, porthole and flame."""
    body, trim = pen.pick(WHITE, GREY, SKY), pen.pick(RED, BLUE, ORANGE)
    wide, flame = pen.between(0.26, 0.34), pen.between(0.85, 1.0)
    pen.shape(
        [
            (-0.18, 0.55),
            (-0.22, 0.75),
            (-0.09, 0.7),
            (0, flame),
            (0.09, 0.7),
            (0.22, 0.75),
            (0.18, 0.55),
        ],
        ORANGE,
    )
    pen.patch([(-0.09, 0.55), (0, 0.78), (0.09, 0.55)], YELLOW)
    for side in (-1, 1):
        pen.shape(
            [(0.2 * side, 0.1), (0.62 * side, 0.5), (0.6 * side, 0.78), (0.2 * side, 0.52)], trim
        )
    half = [(0, -1.0), (wide * 0.65, -0.68), (wide, -0.2), (wide, 0.25), (0.2, 0.58), (0, 0.6)]
    pen.shape(smooth(mirrored(half)), body)
    pen.shape(
        [
            (0, -1.0),
            (wide * 0.5, -0.76),
            (wide * 0.8, -0.5),
            (-wide * 0.8, -0.5),
            (-wide * 0.5, -0.76),
        ],
        trim,
    )
    pen.shape(ellipse(0, -0.18, 0.15), SKY)
    pen.line([(0, 0.25), (0, 0.6)], 0.08, trim)


def star(pen: Pen) -> None:
    """Draw a five-pointed star, plain or with shaded facets."""
    colour = pen.pick(YELLOW, YELLOW, RED, (90, 150, 230), WHITE)
    inner = pen.between(0.38, 0.5)
    angles = np.arange(10) * math.pi / 5 - math.pi / 2
    reach = np.where(np.arange(10) % 2 == 0, 1.0, inner)
    corners = np.stack([reach * np.cos(angles), reach * np.sin(angles)], axis=1)
    pen.shape(corners, colour)
    if pen.chance(0.4):
        shade = (int(colour[0] * 0.75), int(colour[1] * 0.75), int(colour[2] * 0.75))
        for index in range(0, 10, 2):
            pen.patch([(0.0, 0.0), *corners[[index, (index + 1) % 10]].tolist()], shade)
