"""The things that pictures show, one file per kind, and the colours to paint them with.

The style of a picture may change these colours.
"""

from benchmarks.sample_data.pen import Colour

BLUE: Colour = (65, 120, 210)
BROWN: Colour = (125, 85, 48)
DARK: Colour = (45, 45, 55)
GREEN: Colour = (65, 155, 70)
GREY: Colour = (160, 165, 175)
ORANGE: Colour = (240, 140, 50)
PINK: Colour = (240, 140, 165)
RED: Colour = (215, 52, 48)
SKY: Colour = (175, 215, 240)
WHITE: Colour = (250, 250, 245)
YELLOW: Colour = (245, 205, 62)
