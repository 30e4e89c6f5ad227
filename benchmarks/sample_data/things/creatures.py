"""Creatures, and one of snow."""

from benchmarks.sample_data.pen import Pen, box, ellipse, smooth
from benchmarks.sample_data.things import BROWN, GREEN, PINK, RED, WHITE, YELLOW


def butterfly(pen: Pen) -> None:
    """Draw four spotted wings, a thin body and two feelers."""
    colour, spots = (
        pen.pick((240, 140, 40), (90, 130, 220), YELLOW, (200, 80, 160)),
        pen.between(0.1, 0.17),
    )
    drop, span = pen.between(0.75, 0.95), pen.between(0.85, 1.0)
    for side in (-1, 1):
        lower = [(0.05, 0.0), (0.5, 0.05), (0.72, 0.4), (0.55, drop), (0.3, 0.75), (0.1, 0.3)]
        upper = [(0.05, 0.1), (0.25, -0.45), (0.65, -0.85), (span, -0.7), (0.88, -0.2), (0.5, 0.12)]
        pen.shape(smooth([(x * side, y) for x, y in lower]), pen.pick(colour, colour, YELLOW))
        pen.shape(smooth([(x * side, y) for x, y in upper]), colour)
        pen.patch(ellipse(0.68 * side, -0.48, spots), WHITE)
        pen.patch(ellipse(0.45 * side, 0.45, spots), WHITE)
        pen.line([(0, -0.4), (0.12 * side, -0.7), (0.3 * side, -0.9)], 0.04)
    pen.shape(ellipse(0, 0.05, 0.09, 0.55), (70, 55, 50))


def cat(pen: Pen) -> None:
    """Draw the face of a cat: pointed ears, whiskers, slit eyes."""
    fur = pen.pick((235, 150, 70), (140, 140, 145), (230, 205, 170), (95, 80, 75))
    for side in (-1, 1):
        pen.shape([(0.2 * side, -0.5), (0.75 * side, -1.0), (0.85 * side, -0.05)], fur)
        pen.patch([(0.4 * side, -0.5), (0.68 * side, -0.78), (0.73 * side, -0.25)], PINK)
    pen.shape(ellipse(0, 0.15, pen.between(0.85, 0.95), pen.between(0.7, 0.78)), fur)
    if pen.chance(0.5):
        for x in (-0.15, 0.0, 0.15):
            pen.line([(x, -0.5), (x, -0.28)], 0.05)
    pen.patch(ellipse(0, 0.48, 0.38, 0.25), WHITE)
    tall = pen.between(0.12, 0.2)
    for side in (-1, 1):
        pen.shape(ellipse(0.37 * side, 0.0, 0.19, tall), pen.pick((170, 205, 70), YELLOW))
        pen.patch(ellipse(0.37 * side, 0.0, 0.055, tall), (20, 20, 20))
        pen.line([(0, 0.42), (0.06 * side, 0.58), (0.22 * side, 0.58)], 0.04)
        for lift in (-0.12, 0.03, 0.18):
            pen.line([(0.35 * side, 0.42 + lift / 2), (1.0 * side, 0.35 + lift)], 0.025)
    pen.shape([(-0.11, 0.3), (0.11, 0.3), (0, 0.43)], PINK)


def fish(pen: Pen) -> None:
    """Draw a fish from the side: tail fin, back fin, eye, scales."""
    colour = pen.pick((245, 140, 40), (70, 140, 210), (225, 75, 75), (150, 165, 175), YELLOW)
    fin = pen.pick(colour, (230, 110, 50), (60, 100, 180))
    tall = pen.between(0.4, 0.58)
    pen.shape([(0.45, 0), (0.98, -0.5), (0.85, 0), (0.98, 0.5)], fin)
    pen.shape(
        smooth([(-0.35, -tall + 0.1), (0, -tall - 0.3), (0.35, -tall - 0.1), (0.3, -0.2)]), fin
    )
    pen.shape(smooth([(-0.2, tall - 0.1), (0.1, tall + 0.25), (0.2, tall - 0.15)]), fin)
    half = [(-0.95, 0), (-0.65, tall * 0.7), (-0.15, tall), (0.35, tall * 0.6), (0.65, 0.05)]
    pen.shape(smooth(half + [(x, -y) for x, y in reversed(half)]), colour)
    pen.line([(-0.42, -tall * 0.6), (-0.34, 0), (-0.42, tall * 0.6)], 0.045)
    if pen.chance(0.7):
        for x in (-0.1, 0.15, 0.38):
            high = tall * (0.62 - 0.6 * abs(x))
            pen.line(
                [(x, -high), (x + 0.1, -high / 2), (x, 0), (x + 0.1, high / 2), (x, high)], 0.035
            )
    pen.shape(ellipse(-0.62, -0.1, 0.12), WHITE)
    pen.patch(ellipse(-0.64, -0.1, 0.06), (15, 15, 15))


def snowman(pen: Pen) -> None:
    """Draw stacked snowballs with hat, carrot nose, buttons and stick arms."""
    snow = pen.pick(WHITE, (225, 235, 245))
    for side in (-1, 1):
        end = pen.between(-0.35, 0.0)
        pen.line([(0.3 * side, 0.0), (0.85 * side, end)], 0.055, BROWN)
        pen.line([(0.68 * side, end * 0.72), (0.8 * side, end - 0.18)], 0.045, BROWN)
    pen.shape(ellipse(0, 0.58, pen.between(0.45, 0.52), 0.42), snow)
    pen.shape(ellipse(0, 0.0, 0.36, 0.33), snow)
    pen.shape(ellipse(0, -0.46, 0.28), snow)
    hat = pen.pick((35, 35, 45), (150, 40, 40), (50, 70, 130))
    pen.shape(box(-0.22, -1.0, 0.22, -0.65), hat)
    pen.shape(box(-0.38, -0.7, 0.38, -0.62), hat)
    if pen.chance(0.7):
        pen.shape(
            [
                (-0.3, -0.24),
                (0.3, -0.24),
                (0.28, -0.12),
                (0.2, 0.2),
                (0.08, 0.2),
                (0.1, -0.1),
                (-0.28, -0.12),
            ],
            pen.pick(RED, GREEN),
        )
    for x in (-0.1, 0.1):
        pen.patch(ellipse(x, -0.52, 0.045), (20, 20, 20))
    pen.shape([(0, -0.49), (0.34, -0.4), (0, -0.39)], (240, 130, 40))
    for y in (0.02, 0.36, 0.6):
        pen.patch(ellipse(-0.02, y, 0.05), (20, 20, 20))
