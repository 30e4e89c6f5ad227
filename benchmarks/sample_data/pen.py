"""A pen that draws shapes given in unit coordinates.

In these, x points right, y points down, and the thing to be drawn fills [-1, 1] both ways.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Points = NDArray[np.float64] | Sequence[tuple[float, float]]

_SHARP_SHAPE = 12  # with so few corners a shape is angular, and thick outlines need round joints
_ELLIPSE_CORNERS = 36


@dataclass(frozen=True)
class Style:
    """The colours and outlines of one picture.

    Attributes:
        colour_matrix: Three rows of four: red, green, blue and constant (0..255) that make a
            channel of the paint from the colour of a class.
        ink: Colour of details such as eyes, and of the outline.
        outline: Width of the outline in unit coordinates; 0 for none.
    """

    colour_matrix: tuple[tuple[float, float, float, float], ...]
    ink: Colour
    outline: float

    def paint(self, colour: Colour) -> tuple[int, int, int, int]:
        """Return the RGBA paint for an RGB `colour`, each 0..255."""
        red, green, blue = (
            min(255, max(0, round(r * colour[0] + g * colour[1] + b * colour[2] + constant)))
            for r, g, b, constant in self.colour_matrix
        )
        return red, green, blue, 255


class Pen:
    """Draws on an RGBA image through an affine map from unit coordinates to pixels."""

    def __init__(
        self,
        image: Image.Image,
        matrix: NDArray[np.float64],
        centre: tuple[float, float],
        style: Style,
        rng: np.random.Generator,
    ) -> None:
        self.rng = rng
        self.style = style
        self._draw = ImageDraw.Draw(image)
        self._matrix = matrix.T
        self._centre = np.asarray(centre)
        self._pixels_per_unit = math.sqrt(abs(float(np.linalg.det(matrix))))

    def between(self, low: float, high: float) -> float:
        """Return a number drawn evenly from [low, high)."""
        return low + (high - low) * self.rng.random()

    def chance(self, probability: float) -> bool:
        """Return True with the given probability."""
        return self.rng.random() < probability

    def pick(self, *choices: Colour) -> Colour:
        """Return one of the colours."""
        return choices[int(self.rng.integers(len(choices)))]

    def shape(self, points: Points, colour: Colour) -> None:
        """Fill the polygon and outline it in the given style."""
        corners = self._pixels(points)
        self._draw.polygon(corners, fill=self.style.paint(colour))
        if self.style.outline:
            closed = corners + corners[:4]
            self._stroke(closed, self.style.outline, (*self.style.ink, 255))

    def patch(self, points: Points, colour: Colour) -> None:
        """Fill the polygon without an outline."""
        self._draw.polygon(self._pixels(points), fill=self.style.paint(colour))

    def union(self, shapes: Sequence[Points], colour: Colour) -> None:
        """Fill all polygons as one body: the outline runs around the whole only."""
        bodies = [self._pixels(points) for points in shapes]
        if self.style.outline:
            for body in bodies:
                self._stroke(body + body[:4], 2 * self.style.outline, (*self.style.ink, 255))
        for body in bodies:
            self._draw.polygon(body, fill=self.style.paint(colour))

    def hole(self, points: Points) -> None:
        """Cut the polygon out: the background shows through."""
        corners = self._pixels(points)
        self._draw.polygon(corners, fill=(0, 0, 0, 0))
        if self.style.outline:
            self._stroke(corners + corners[:4], self.style.outline, (*self.style.ink, 255))

    def line(self, points: Points, width: float, colour: Colour | None = None) -> None:
        """Draw a line with round ends, `width` in unit coordinates; in ink without a colour."""
        paint = (*self.style.ink, 255) if colour is None else self.style.paint(colour)
        self._stroke(self._pixels(points), width, paint)

    def rod(self, points: Points, width: float, colour: Colour) -> None:
        """Draw a line that has an outline as shapes have."""
        if self.style.outline:
            self.line(points, width + 2 * self.style.outline)
        self.line(points, width, colour)

    def _pixels(self, points: Points) -> list[float]:
        mapped = np.asarray(points, dtype=np.float64) @ self._matrix + self._centre
        flat: list[float] = mapped.ravel().tolist()
        return flat

    def _stroke(self, corners: list[float], width: float, paint: tuple[int, ...]) -> None:
        pixels = max(1, round(width * self._pixels_per_unit))
        self._draw.line(corners, fill=paint, width=pixels)
        if pixels <= 2:
            return
        radius = (pixels - 0.5) / 2
        joints = corners if len(corners) <= 2 * _SHARP_SHAPE else corners[:2] + corners[-2:]
        for x, y in zip(joints[::2], joints[1::2], strict=True):
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=paint)


def ellipse(
    x: float, y: float, width: float, height: float | None = None, turn: float = 0.0
) -> NDArray[np.float64]:
    """Return corners (36, 2) of an ellipse with the given half axes, turned by `turn` radians."""
    flat = _circle() * (width, width if height is None else height)
    return np.add(flat @ rotation(turn).T if turn else flat, (x, y))


def arc(x: float, y: float, radius: float, start: float, end: float) -> NDArray[np.float64]:
    """Return points (12, 2) on a circle between two angles, radians, clockwise from the right."""
    angles = np.linspace(start, end, 12)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + (x, y)


def box(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    """Return corners of a rectangle."""
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def rotation(turn: float) -> NDArray[np.float64]:
    """Return the matrix (2, 2) that turns points by `turn` radians, clockwise as y points down."""
    cosine, sine = math.cos(turn), math.sin(turn)
    return np.array([[cosine, -sine], [sine, cosine]])


def mirrored(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the points and, backwards, their mirror images at x = 0: a symmetric outline."""
    return [*points, *((-x, y) for x, y in reversed(points) if x)]


def smooth(points: Points) -> NDArray[np.float64]:
    """Return corners (6 n, 2) of the closed Catmull-Rom spline through n points.

    Catmull and Rom, "A class of local interpolating splines", 1974.
    """
    knots = np.asarray(points, dtype=np.float64)
    neighbours = np.stack([np.roll(knots, shift, axis=0) for shift in (1, 0, -1, -2)], axis=1)
    corners: NDArray[np.float64] = np.einsum("sk,nkd->nsd", _spline_weights(), neighbours)
    return corners.reshape(-1, 2)


@lru_cache(maxsize=1)
def _circle() -> NDArray[np.float64]:
    angles = np.linspace(0.0, 2 * math.pi, _ELLIPSE_CORNERS, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@lru_cache(maxsize=1)
def _spline_weights() -> NDArray[np.float64]:
    t = np.linspace(0.0, 1.0, 6, endpoint=False)[:, None]
    powers = np.hstack([np.ones_like(t), t, t**2, t**3])
    basis = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]])
    weights: NDArray[np.float64] = powers @ basis
    return weights
