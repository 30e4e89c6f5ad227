"""Train with simulated quantisation; a run can be resumed at any moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from imagebeam.mobilenet_v1.augmentation import Augmentation
from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.mobilenet_v1.layers import Phase, Rates
from imagebeam.mobilenet_v1.network import Network
from imagebeam.mobilenet_v1.quantops import debiased_rate

WEIGHT_DECAY = 4e-5
RANGE_DECAY = 0.999
# The value of slim, 0.9997, suits the millions of steps of ImageNet; this one suits short runs too.
STATISTICS_DECAY = 0.99
WARM_UP = 0.05
STEPS_PER_REPORT = 10
STEPS_PER_CHECKPOINT = 100

# TensorFlow does not bring the helper of TensorBoard that makes this.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1
)

Batch = tuple[Any, Any]
Batches = Callable[[int], Iterable[Batch]]


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
        seed: determines initial weights, order and views.
    """

    steps: int
    learning_rate: float = 0.01
    quantise_from: float = 0.6
    freeze_from: float = 0.8
    label_smoothing: float = 0.1
    augmentation: Augmentation = field(default_factory=Augmentation)
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
class Progress:
    """The progress of a run; loss and accuracy are means over the steps since the last report.

    Attributes:
        step: number of completed steps.
        steps: total number of steps.
        phase: the present phase.
        loss: cross-entropy and regularisation, in nats.
        accuracy: share of training views that were classified correctly, in [0, 1].
        seconds_left: expected time to the end at the present speed.
    """

    step: int
    steps: int
    phase: Phase
    loss: float
    accuracy: float
    seconds_left: float


def train(
    network: Network,
    batches: Batches,
    options: TrainingOptions,
    *,
    state: Path | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Train `network` in place.

    Args:
        network: the network to train, with random or transferred weights.
        batches: a function from the number of completed steps to the next batches: pairs of
            pixels uint8 (N, height, width, 3) and classes int (N,), at least one per step.
        options: the options of the run.
        state: folder for checkpoints and TensorBoard summaries. The run continues from the last
            checkpoint there. None keeps nothing.
        report: called every few steps.

    Raises:
        NetworkError: `batches` ended early.
    """
    run = _Run(network, options)
    manager = run.restore(state) if state else None
    writer = _ScalarWriter(state / "summaries" if state else None)
    first = int(run.step)
    recent = _Recent(first, options.steps)
    for step, (pictures, classes) in enumerate(_take(batches, first, options.steps), first + 1):
        phase = options.phase(step - 1)
        recent.add(run.advance(pictures, classes, phase).numpy())
        if step % STEPS_PER_REPORT == 0 or step == options.steps:
            progress = recent.progress(step, phase)
            writer.write(step, {"loss": progress.loss, "accuracy": progress.accuracy})
            report(progress)
        if manager and (step % STEPS_PER_CHECKPOINT == 0 or step == options.steps):
            manager.save(checkpoint_number=step)


class _Run(tf.Module):
    """The variables and the step function of a run."""

    def __init__(self, network: Network, options: TrainingOptions) -> None:
        super().__init__()
        self.network = network
        self.options = options
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        schedule = tf.keras.optimizers.schedules.CosineDecay(
            0.0,
            options.steps,
            warmup_target=options.learning_rate,
            warmup_steps=max(1, int(WARM_UP * options.steps)),
        )
        self.optimiser = tf.keras.optimizers.Adam(schedule)
        self.optimiser.build(network.trainable_variables)

    def restore(self, state: Path) -> tf.train.CheckpointManager:
        """Continue from the last checkpoint in `state`, if there is one."""
        checkpoint = tf.train.Checkpoint(
            network=self.network, optimiser=self.optimiser, step=self.step
        )
        manager = tf.train.CheckpointManager(checkpoint, str(state / "checkpoints"), max_to_keep=2)
        if manager.latest_checkpoint:
            checkpoint.restore(manager.latest_checkpoint).assert_consumed()
        return manager

    @tf.function(reduce_retracing=True)
    def advance(self, pictures: tf.Tensor, classes: tf.Tensor, phase: Phase) -> tf.Tensor:
        """Train on one batch; return loss and accuracy, float32 (2,)."""
        options, network = self.options, self.network
        seed = tf.stack([tf.constant(options.seed, tf.int64), self.step])
        inputs = options.augmentation.view(pictures, network.architecture.size, seed)
        rates = Rates(
            statistics=debiased_rate(STATISTICS_DECAY, self.step + 1),
            ranges=debiased_rate(RANGE_DECAY, self.step + 1 - options.quantise_step),
        )
        with tf.GradientTape() as tape:
            logits = network.train(inputs, phase, rates)
            loss = self._loss(logits, classes)
        variables = network.trainable_variables
        self.optimiser.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        self.step.assign_add(1)
        correct = tf.equal(tf.argmax(logits, axis=1), tf.cast(classes, tf.int64))
        return tf.stack([loss, tf.reduce_mean(tf.cast(correct, tf.float32))])

    def _loss(self, logits: tf.Tensor, classes: tf.Tensor) -> tf.Tensor:
        smoothing, count = self.options.label_smoothing, self.network.architecture.class_count
        targets = tf.one_hot(classes, count, 1 - smoothing + smoothing / count, smoothing / count)
        entropy = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        decay = tf.add_n([tf.nn.l2_loss(kernel) for kernel in self.network.kernels()])
        return tf.reduce_mean(entropy) + WEIGHT_DECAY * decay


class _Recent:
    """The measurements since the last report."""

    def __init__(self, step: int, steps: int) -> None:
        self._steps = steps
        self._restart(step)

    def add(self, loss_and_accuracy: np.ndarray) -> None:
        self._measured.append(loss_and_accuracy)

    def progress(self, step: int, phase: Phase) -> Progress:
        """Make a report and start the next one."""
        loss, accuracy = np.mean(self._measured, axis=0).tolist()
        seconds = (time.monotonic() - self._time) / len(self._measured) * (self._steps - step)
        self._restart(step)
        return Progress(step, self._steps, phase, loss, accuracy, seconds)

    def _restart(self, step: int) -> None:
        self._measured: list[np.ndarray] = []
        self._time = time.monotonic()


class _ScalarWriter:
    """Appends scalars to an event file for TensorBoard in `folder`; drops them without a folder."""

    def __init__(self, folder: Path | None) -> None:
        self._writer = tf.summary.create_file_writer(str(folder)) if folder else None

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Record `scalars` by name and flush them to disk."""
        if not self._writer:
            return
        with self._writer.as_default():
            for name, value in scalars.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step, metadata=_SCALAR)
        self._writer.flush()


def _take(batches: Batches, first: int, steps: int) -> Iterator[Batch]:
    done = first
    for batch in islice(batches(first), steps - first):
        yield batch
        done += 1
    if done < steps:
        raise NetworkError(f"the batches ended after {done} of {steps} steps. Give more batches.")
