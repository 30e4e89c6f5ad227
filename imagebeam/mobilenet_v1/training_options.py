"""The options of a training run: its length, its phases, its learning rate."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import tensorflow as tf

from imagebeam.mobilenet_v1.augmentation import Augmentation
from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.mobilenet_v1.layers import Phase

WARM_UP = 0.05


@dataclass(frozen=True)
class TrainingOptions:
    """The options of a training run.

    Attributes:
        steps: number of batches.
        learning_rate: peak learning rate of Adam, reached after a short warm-up; then it falls
            along a cosine to zero.
        quantise_from: part of the run, in [0, 1), after which quantisation is simulated.
        freeze_from: part of the run, from `quantise_from` to 1, after which batch norm uses its
            moving statistics, as in inference.
        label_smoothing: probability that is distributed evenly over all classes, in [0, 1).
        augmentation: the variation of training views.
        class_weights: the weight of each class in the loss; None for equal weights.
        seed: determines initial weights, order and views.
    """

    steps: int
    learning_rate: float = 0.01
    quantise_from: float = 0.6
    freeze_from: float = 0.8
    label_smoothing: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
    class_weights: tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise NetworkError(f"{self.steps} training steps: at least 1 is needed.")
        if not 0 < self.learning_rate < math.inf:
            raise NetworkError(f"learning rate {self.learning_rate}: must be above 0.")
        if not 0 <= self.label_smoothing < 1:
            raise NetworkError(
                f"label smoothing {self.label_smoothing}: must be from 0 to below 1."
            )
        if not 0 <= self.quantise_from <= self.freeze_from <= 1 or self.quantise_from == 1:
            raise NetworkError(
                f"quantisation from {self.quantise_from} and freezing from {self.freeze_from} of "
                "the run: must rise from 0 to 1, and quantisation must begin before the end."
            )

    def phase(self, step: int) -> Phase:
        """Return the phase at `step`, counted from 0."""
        if step < self.quantise_step:
            return Phase.FLOAT
        return Phase.QUANTISED if step < int(self.freeze_from * self.steps) else Phase.FROZEN

    @property
    def quantise_step(self) -> int:
        """Return the first step with simulated quantisation."""
        return int(self.quantise_from * self.steps)


@dataclass(frozen=True)
class EarlyStopping:
    """The end of the float phase before its time: the other phases follow, shortened likewise.

    Attributes:
        measure: the accuracy of the float network on validation images, in [0, 1].
        every: steps between two measurements.
        patience: measurements without a better accuracy after which the phase ends.
    """

    measure: Callable[[], float]
    every: int
    patience: int


def learning_rate(options: TrainingOptions, step: int) -> float:
    """Return the rate at a step, counted from 0: a linear warm-up, then a cosine to zero."""
    schedule = tf.keras.optimizers.schedules.CosineDecay(
        0.0,
        options.steps,
        warmup_target=options.learning_rate,
        warmup_steps=max(1, int(WARM_UP * options.steps)),
    )
    return float(schedule(step))
