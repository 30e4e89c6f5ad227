"""Random views of training pictures, one batch at a time.

Every draw depends only on (seed, step), so a resumed run sees the same views as an uninterrupted
one.
"""

from dataclasses import dataclass

import tensorflow as tf

from imagebeam.mobilenet_v1.network import rescale


@dataclass(frozen=True)
class Augmentation:
    """The possible differences between two views of one picture.

    Attributes:
        smallest_area: smallest part of the picture that a view shows, in (0, 1]; 1 shows all of it.
        aspect: largest ratio of the sides of a view.
        flip: True mirrors half of the views left to right.
        colour: largest change of brightness, contrast and saturation, as a fraction; 0 for none.
    """

    smallest_area: float = 0.6
    aspect: float = 1.15
    flip: bool = True
    colour: float = 0.2

    def view(self, pictures: tf.Tensor, size: int, seed: tf.Tensor) -> tf.Tensor:
        """Draw one view of every picture.

        Args:
            pictures: uint8 (N, height, width, 3), RGB.
            size: side of the views.
            seed: integer (2,); the same seed draws the same views.

        Returns:
            float32 (N, size, size, 3) in [-1, 1].
        """
        count = tf.shape(pictures)[0]
        boxes = self._boxes(count, seed)
        views = tf.image.crop_and_resize(rescale(pictures), boxes, tf.range(count), [size, size])
        return self._recolour(views, count, seed) if self.colour else views

    def _boxes(self, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Draw corners (y1, x1, y2, x2) as fractions, float32 (N, 4); x2 < x1 mirrors the view."""
        area, stretch, top, left, mirror = tf.unstack(
            tf.random.stateless_uniform([5, count], tf.stack([seed[0], seed[1]]))
        )
        side = tf.sqrt(self.smallest_area + (1 - self.smallest_area) * area)
        stretch = tf.pow(self.aspect, stretch - 0.5)
        height, width = tf.minimum(side * stretch, 1.0), tf.minimum(side / stretch, 1.0)
        top, left = top * (1 - height), left * (1 - width)
        bottom, right = top + height, left + width
        if self.flip:
            left, right = tf.where(mirror < 0.5, left, right), tf.where(mirror < 0.5, right, left)
        return tf.stack([top, left, bottom, right], axis=1)

    def _recolour(self, views: tf.Tensor, count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        amounts = tf.random.stateless_uniform(
            [3, count, 1, 1, 1], tf.stack([seed[0], ~seed[1]]), -self.colour, self.colour
        )
        brightness, contrast, saturation = tf.unstack(amounts)
        grey = tf.reduce_mean(views, axis=-1, keepdims=True)
        views = grey + (views - grey) * (1 + saturation)
        mean = tf.reduce_mean(grey, axis=[1, 2], keepdims=True)
        views = mean + (views - mean) * (1 + contrast) + brightness
        return tf.clip_by_value(views, -1.0, 1.0)
