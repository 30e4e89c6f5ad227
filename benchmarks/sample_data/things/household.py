"""Draw things of a household."""

import math
from itertools import pairwise

from benchmarks.sample_data.pen import Pen, arc, box, ellipse, mirrored, smooth
from benchmarks.sample_data.things import (
    BLUE,
    BROWN,
    DARK,
    GREEN,
    GREY,
    ORANGE,
    RED,
    SKY,
    WHITE,
    YELLOW,
)


def clock(pen: Pen) -> None:
    """Draw a round dial with twelve marks and two hands; some have bells and feet."""
    colour = pen.pick(RED, BLUE, BROWN, GREEN, DARK, YELLOW)
    centre, size = (0.0, 0.0), 0.95
    if pen.chance(0.5):
        centre, size = (0.0, 0.12), 0.72
        for side in (-1, 1):
            pen.rod([(0.3 * side, 0.6), (0.55 * side, 0.95)], 0.12, colour)
            pen.shape(ellipse(0.46 * side, -0.62, 0.3, 0.2, 0.65 * side), GREY)
        pen.rod([(0, -0.6), (0, -0.88)], 0.08, GREY)
    pen.shape(ellipse(*centre, size), colour)
    pen.shape(ellipse(*centre, size * 0.8), WHITE)
    for hour in range(12):
        turn = math.pi * hour / 6
        x, y = math.cos(turn), math.sin(turn)
        inner = size * (0.62 if hour % 3 else 0.56)
        pen.line(
            [(x * inner, centre[1] + y * inner), (x * size * 0.72, centre[1] + y * size * 0.72)],
            0.05,
        )
    minute, hour_hand = pen.between(0, 2 * math.pi), pen.between(0, 2 * math.pi)
    for turn, length, width in ((hour_hand, 0.36, 0.1), (minute, 0.56, 0.065)):
        tip = (size * length * math.sin(turn), centre[1] - size * length * math.cos(turn))
        pen.line([centre, tip], width)
    pen.patch(ellipse(*centre, 0.07), RED)


def cup(pen: Pen) -> None:
    """Draw a mug with a handle, steaming."""
    colour = pen.pick(WHITE, RED, BLUE, YELLOW, GREEN)
    foot = pen.between(0.4, 0.58)
    ring = arc(0.56, 0.28, pen.between(0.26, 0.32), -1.45, 1.7)
    pen.rod(ring, 0.13, colour)
    pen.shape(
        [
            (-0.65, -0.2),
            (0.65, -0.2),
            (foot, 0.9),
            (foot - 0.1, 0.97),
            (0.1 - foot, 0.97),
            (-foot, 0.9),
        ],
        colour,
    )
    if pen.chance(0.5):
        pen.patch(
            [(-0.62, 0.2), (0.62, 0.2), (0.57, 0.45), (-0.57, 0.45)],
            pen.pick(BLUE, RED, WHITE, BROWN),
        )
    pen.shape(ellipse(0, -0.2, 0.65, 0.16), colour)
    pen.patch(ellipse(0, -0.18, 0.54, 0.11), (80, 50, 30))
    for x in (-0.28, 0.0, 0.28)[: int(pen.rng.integers(2, 4))]:
        steam = [
            (x + 0.07 * math.sin(5 * t), -0.42 - 0.55 * t) for t in (0, 0.2, 0.4, 0.6, 0.8, 1.0)
        ]
        pen.line(steam, 0.055, (225, 230, 235))


def house(pen: Pen) -> None:
    """Draw a house with gable roof, chimney, door and windows."""
    wall = pen.pick(WHITE, (235, 205, 150), (215, 150, 120), (180, 205, 215))
    roof = pen.pick(RED, BROWN, (90, 95, 110))
    pen.shape(box(0.36, -0.85, 0.58, -0.2), (150, 85, 70))
    pen.shape(box(-0.72, -0.1, 0.72, 0.92), wall)
    eaves = pen.between(0.86, 1.0)
    pen.shape([(0, pen.between(-1.0, -0.8)), (eaves, -0.05), (-eaves, -0.05)], roof)
    door = pen.between(-0.25, 0.0)
    pen.shape(box(door, 0.35, door + 0.3, 0.92), pen.pick(BROWN, BLUE, GREEN))
    pen.patch(ellipse(door + 0.24, 0.64, 0.035), YELLOW)
    for x in (-0.48, 0.48):
        pen.shape(box(x - 0.15, 0.1, x + 0.15, 0.42), pen.pick(SKY, YELLOW))
        pen.line([(x, 0.1), (x, 0.42)], 0.03)
        pen.line([(x - 0.15, 0.26), (x + 0.15, 0.26)], 0.03)


def ice_cream(pen: Pen) -> None:
    """Draw scoops of ice cream in a waffle cone."""
    scoops = [(240, 150, 175), (130, 80, 50), (250, 240, 205), (165, 215, 170), (245, 205, 90)]
    flavours = pen.rng.permutation(len(scoops))
    pen.shape([(-0.45, 0.05), (0.45, 0.05), (0, 1.0)], (220, 165, 90))
    for step in (0.2, 0.5, 0.8):
        reach = 0.45 * (1 - step)
        pen.line(
            [(-reach, 0.05 + 0.95 * step), (0.45 - 0.45 * step * 0.4, 0.05 + 0.38 * step)],
            0.03,
            BROWN,
        )
        pen.line(
            [(reach, 0.05 + 0.95 * step), (-0.45 + 0.45 * step * 0.4, 0.05 + 0.38 * step)],
            0.03,
            BROWN,
        )
    if pen.chance(0.5):
        spots = [(0.0, -0.55, 0.38), (0.0, -0.12, 0.44)]
    else:
        spots = [(0.0, -0.6, 0.33), (-0.26, -0.18, 0.34), (0.26, -0.18, 0.34)]
    for (x, y, size), flavour in zip(spots, flavours, strict=False):
        pen.shape(ellipse(x, y, size, size * 0.95), scoops[flavour])
    top = spots[0][1] - spots[0][2]
    if pen.chance(0.6):
        pen.line([(0, top), (0.12, top - 0.15)], 0.035)
        pen.shape(ellipse(0, top + 0.02, 0.1), RED)


def key(pen: Pen) -> None:
    """Draw a key: a ring to hold, a shaft, a bit with teeth."""
    metal = pen.pick((230, 185, 70), GREY, (190, 120, 70))
    size = pen.between(0.32, 0.42)
    shaft = [(-0.3, -0.09), (0.98, -0.09), (0.98, 0.09), (-0.3, 0.09)]
    long, short = pen.between(0.32, 0.42), pen.between(0.2, 0.36)
    teeth = [box(0.78, 0, 0.96, long), box(0.46, 0, 0.64, short)]
    if pen.chance(0.3):
        teeth.append(box(0.2, 0, 0.34, 0.26))
    pen.union([*teeth, shaft, ellipse(-0.58, 0, size)], metal)
    pen.hole(ellipse(-0.62, 0, size * pen.between(0.42, 0.58)))


def light_bulb(pen: Pen) -> None:
    """Draw a glass bulb with filament and screw base, often with rays of light."""
    wide = pen.between(0.55, 0.62)
    half = [(0, -0.85), (wide * 0.75, -0.68), (wide, -0.25), (0.42, 0.18), (0.26, 0.5), (0, 0.52)]
    if pen.chance(0.6):
        for turn in (-2.8, -2.2, -1.57, -0.94, -0.34):
            x, y = math.cos(turn), math.sin(turn)
            pen.line([(0.78 * x, 0.75 * y - 0.2), (0.98 * x, 0.85 * y - 0.2)], 0.06, YELLOW)
    pen.shape(smooth(mirrored(half)), pen.pick((255, 235, 130), (255, 245, 190), WHITE))
    pen.line(
        [
            (-0.1, 0.45),
            (-0.2, -0.15),
            (-0.07, -0.02),
            (0, -0.2),
            (0.07, -0.02),
            (0.2, -0.15),
            (0.1, 0.45),
        ],
        0.04,
        ORANGE,
    )
    pen.shape(box(-0.26, 0.46, 0.26, 0.84), GREY)
    for y in (0.56, 0.67, 0.78):
        pen.line([(-0.27, y + 0.02), (0.27, y - 0.02)], 0.04)
    pen.shape([(-0.16, 0.84), (0.16, 0.84), (0.08, 0.97), (-0.08, 0.97)], DARK)


def umbrella(pen: Pen) -> None:
    """Draw an open umbrella with scalloped panels and a hooked handle."""
    first, second = pen.pick(RED, BLUE, (150, 80, 170)), pen.pick(YELLOW, WHITE, GREEN, RED)
    pen.rod([(0, -0.95), (0, 0.75), *arc(0.16, 0.76, 0.16, math.pi, 0.15)[2:]], 0.08, BROWN)
    ribs = [-0.97, -0.5, 0.0, 0.5, 0.97]
    top = pen.between(-0.88, -0.75)
    dome = [
        (math.cos(t), top + (0.15 - top) * (1 - math.sin(t)))
        for t in (i * math.pi / 16 for i in range(17))
    ]
    pen.shape([(x * 0.97, y) for x, y in dome], first)
    for index, (left, right) in enumerate(pairwise(ribs)):
        panel = [
            (0.0, top),
            *_rib(left, top),
            ((left + right) / 2, 0.06),
            *reversed(_rib(right, top)),
        ]
        pen.shape(panel, first if index % 2 else second)


def _rib(x: float, top: float) -> list[tuple[float, float]]:
    bow = [(x * s, top + (0.15 - top) * (1 - math.sqrt(1 - s * s))) for s in (0.5, 0.75, 0.9, 0.97)]
    return [*bow, (x, 0.15)]
