"""Draw vehicles."""

import math

from benchmarks.sample_data.pen import Pen, box, ellipse
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


def bicycle(pen: Pen) -> None:
    """Draw a bicycle from the side."""
    colour = pen.pick(RED, BLUE, GREEN, ORANGE, DARK)
    wheel, tyre = pen.between(0.4, 0.45), pen.between(0.06, 0.09)
    back, front, crank, seat, head = (
        (-0.56, 0.3),
        (0.56, 0.3),
        (-0.08, 0.32),
        (-0.26, -0.28),
        (0.36, -0.3),
    )
    for x, y in (back, front):
        for turn in range(4):
            spoke = math.pi * turn / 4
            dx, dy = wheel * math.cos(spoke), wheel * math.sin(spoke)
            pen.line([(x - dx, y - dy), (x + dx, y + dy)], 0.018, GREY)
        rim = ellipse(x, y, wheel)
        pen.line([*rim, rim[0]], tyre)
    for bar in (
        (back, seat),
        (back, crank),
        (crank, seat),
        (crank, head),
        (seat, head),
        (front, head),
    ):
        pen.line(bar, 0.085, colour)
    pen.line([seat, (-0.31, -0.45)], 0.07)
    pen.line([(-0.46, -0.47), (-0.16, -0.47)], 0.12)
    pen.line([head, (0.31, -0.55), (0.5, -0.6), (0.58, -0.48)], 0.07)
    pen.patch(ellipse(*crank, 0.09), DARK)


def boat(pen: Pen) -> None:
    """Draw a sailing boat with two sails and a pennant, on waves."""
    sail = pen.pick(WHITE, WHITE, ORANGE, RED, YELLOW)
    hull = pen.pick(BROWN, RED, BLUE, DARK)
    wide = pen.between(0.75, 0.92)
    pen.rod([(0.0, -0.95), (0.0, 0.45)], 0.06, BROWN)
    pen.shape([(0.07, -0.8), (0.07, 0.3), (wide - 0.05, 0.3)], sail)
    pen.shape([(-0.07, -0.65), (-0.07, 0.3), (-wide + 0.15, 0.3)], sail)
    pen.shape([(0.02, -1.0), (-0.25, -0.9), (0.02, -0.82)], RED)
    pen.shape([(-wide, 0.42), (wide, 0.42), (wide * 0.68, 0.82), (-wide * 0.7, 0.82)], hull)
    if pen.chance(0.7):
        waves = [(x / 10, 0.88 + 0.05 * math.sin(1.3 * x)) for x in range(-10, 11)]
        pen.line(waves, 0.08, (50, 110, 190))


def car(pen: Pen) -> None:
    """Draw a car from the side: cabin with windows, two wheels, lights."""
    colour = pen.pick(RED, BLUE, GREEN, YELLOW, GREY, WHITE)
    roof, front = pen.between(-0.55, -0.42), pen.between(0.45, 0.62)
    pen.shape([(-0.62, 0.0), (-0.42, roof), (0.25, roof), (front, 0.0)], colour)
    body = [
        (-0.97, 0.0),
        (-0.6, -0.06),
        (front - 0.05, -0.06),
        (0.95, 0.08),
        (1.0, 0.42),
        (-1.0, 0.42),
    ]
    pen.shape(body, colour)
    pen.shape([(-0.5, -0.06), (-0.36, roof + 0.1), (-0.1, roof + 0.1), (-0.1, -0.06)], SKY)
    pen.shape([(0.0, -0.06), (0.0, roof + 0.1), (0.2, roof + 0.1), (front - 0.17, -0.06)], SKY)
    pen.line([(-0.05, -0.02), (-0.05, 0.36)], 0.03)
    pen.patch(ellipse(0.91, 0.17, 0.07), YELLOW)
    pen.patch(box(-1.0, 0.06, -0.9, 0.2), RED)
    size = pen.between(0.22, 0.27)
    for x in (-0.55, 0.55):
        pen.shape(ellipse(x, 0.42, size), DARK)
        pen.patch(ellipse(x, 0.42, size * 0.5), GREY)
