"""Train with simulated quantisation; a run can be resumed at any moment."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.mobilenet_v1.layers import Phase, Rates
from imagebeam.mobilenet_v1.network import Network
from imagebeam.mobilenet_v1.quantops import debiased_rate
from imagebeam.mobilenet_v1.training_options import EarlyStopping, TrainingOptions, learning_rate

WEIGHT_DECAY = 4e-5
RANGE_DECAY = 0.999
# The value of slim, 0.9997, suits the millions of steps of ImageNet; this one suits short runs too.
STATISTICS_DECAY = 0.99
STEPS_PER_REPORT = 10
STEPS_PER_CHECKPOINT = 100

# TensorFlow does not bring the helper of TensorBoard that makes this.
_SCALAR = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"), data_class=1
)

Batch = tuple[Any, Any]
Batches = Callable[[int], Iterable[Batch]]


@dataclass(frozen=True)
class TrainingProgress:
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
    stopping: EarlyStopping | None = None,
    report: Callable[[TrainingProgress], None] = lambda progress: None,
) -> None:
    """Train `network` in place.

    Args:
        network: the network to train, with random or transferred weights.
        batches: a function from the number of completed steps to the next batches: pairs of
            pixels uint8 (N, height, width, 3) and classes int (N,), at least one per step.
        state: folder for checkpoints and TensorBoard summaries. The run continues from the last
            checkpoint there. None keeps nothing.
        stopping: ends the float phase early; None for never.
        report: called every few steps.

    Raises:
        NetworkError: `batches` ended early.
    """
    run = _Run(network, options)
    manager = run.restore(state) if state else None
    writer = _ScalarWriter(state / "summaries" if state else None)
    step = int(run.step)
    options = replace(options, steps=int(run.steps))
    recent = _Recent()
    stream = iter(batches(step))
    while step < options.steps:
        pictures, classes = _next(stream, step, options.steps)
        phase = options.phase(step)
        recent.add(run.advance(pictures, classes, phase, options).numpy())
        step += 1
        if stopping and phase is Phase.FLOAT and step % stopping.every == 0:
            options = run.stop_early(options, step, stopping)
        if step % STEPS_PER_REPORT == 0 or step == options.steps:
            progress = recent.progress(step, options.steps, phase)
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
        self.steps = tf.Variable(options.steps, dtype=tf.int64, trainable=False)
        self.best_accuracy = tf.Variable(-1.0, trainable=False)
        self.best_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.optimiser = tf.keras.optimizers.Adam()
        self.optimiser.build(network.trainable_variables)

    def restore(self, state: Path) -> tf.train.CheckpointManager:
        """Continue from the last checkpoint in `state`, if there is one."""
        checkpoint = tf.train.Checkpoint(
            network=self.network,
            optimiser=self.optimiser,
            step=self.step,
            steps=self.steps,
            best_accuracy=self.best_accuracy,
            best_step=self.best_step,
        )
        manager = tf.train.CheckpointManager(checkpoint, str(state / "checkpoints"), max_to_keep=2)
        if manager.latest_checkpoint:
            checkpoint.restore(manager.latest_checkpoint).assert_consumed()
        return manager

    def advance(
        self, pictures: Any, classes: Any, phase: Phase, options: TrainingOptions
    ) -> tf.Tensor:
        """Train on one batch; return loss and accuracy, float32 (2,)."""
        self.optimiser.learning_rate.assign(learning_rate(options, int(self.step)))
        quantise_step = tf.constant(options.quantise_step, tf.int64)
        result: tf.Tensor = self._advance(pictures, classes, phase, quantise_step)
        return result

    def stop_early(
        self, options: TrainingOptions, step: int, stopping: EarlyStopping
    ) -> TrainingOptions:
        """Measure; return the options of a shorter run if the float phase should end."""
        accuracy = stopping.measure()
        if accuracy > float(self.best_accuracy):
            self.best_accuracy.assign(accuracy)
            self.best_step.assign(step)
        elif step - int(self.best_step) >= stopping.patience * stopping.every:
            steps = math.ceil(step / options.quantise_from)
            if steps < options.steps:
                self.steps.assign(steps)
                return replace(options, steps=steps)
        return options

    @tf.function(reduce_retracing=True)
    def _advance(
        self, pictures: tf.Tensor, classes: tf.Tensor, phase: Phase, quantise_step: tf.Tensor
    ) -> tf.Tensor:
        options, network = self.options, self.network
        seed = tf.stack([tf.constant(options.seed, tf.int64), self.step])
        inputs = options.augmentation.view(pictures, network.architecture.size, seed)
        rates = Rates(
            statistics=debiased_rate(STATISTICS_DECAY, self.step + 1),
            ranges=debiased_rate(RANGE_DECAY, self.step + 1 - quantise_step),
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
        if self.options.class_weights is not None:
            entropy *= tf.gather(tf.constant(self.options.class_weights), classes)
        decay = tf.add_n([tf.nn.l2_loss(kernel) for kernel in self.network.kernels()])
        return tf.reduce_mean(entropy) + WEIGHT_DECAY * decay


class _Recent:
    """The measurements since the last report."""

    def __init__(self) -> None:
        self._restart()

    def add(self, loss_and_accuracy: np.ndarray) -> None:
        self._measured.append(loss_and_accuracy)

    def progress(self, step: int, steps: int, phase: Phase) -> TrainingProgress:
        """Make a report and start the next one."""
        loss, accuracy = np.mean(self._measured, axis=0).tolist()
        seconds = (time.monotonic() - self._time) / len(self._measured) * (steps - step)
        self._restart()
        return TrainingProgress(step, steps, phase, loss, accuracy, seconds)

    def _restart(self) -> None:
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


def _next(stream: Iterator[Batch], step: int, steps: int) -> Batch:
    for batch in stream:
        return batch
    raise NetworkError(f"the batches ended after {step} of {steps} steps. Give more batches.")
