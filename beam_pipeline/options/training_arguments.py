"""The options of `module train`."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from imagebeam.beam_pipeline.options.declaration import option
from imagebeam.beam_pipeline.options.module_arguments import ModuleArguments
from imagebeam.images.settings import Resize

_network = partial(option, group="network")
_learning = partial(option, group="learning")


@dataclass(frozen=True, kw_only=True)
class NetworkArguments:
    """The options that have no effect on a network that stays as it is.

    None stands for the default of the plan, which may depend on the initial weights.
    """

    width: float | None = _network(
        None, "0.25, 0.5, 0.75 or 1", metavar="X", shown="that of --from, else 0.5"
    )
    size: int | None = _network(
        None,
        "128, 160, 192 or 224",
        metavar="PIXELS",
        shown="that of the module in --from, else 160",
    )
    quantization: Literal["uint8", "int8"] | None = _network(
        None,
        "integers that the flatbuffer computes with: int8 is faster, uint8 is the form of the "
        "published modules",
        shown="that of --from, else uint8",
    )
    epochs: int | None = _learning(None, "number of passes over the pictures", shown="30")
    batch_size: int | None = _learning(None, "number of pictures per step", shown="32")
    learning_rate: float | None = _learning(
        None, "maximum learning rate of Adam", metavar="X", shown="0.001 with --from, else 0.01"
    )
    quantise_from: float | None = _learning(
        None, "share of the run after which quantisation is simulated", metavar="SHARE", shown="0.6"
    )
    freeze_from: float | None = _learning(
        None,
        "share of the run after which the batch norm statistics are frozen",
        metavar="SHARE",
        shown="0.8",
    )
    patience: int | None = _learning(
        None,
        "end the part of the run before quantisation after this many epochs without a better "
        "accuracy on the validation images",
        shown="never",
    )
    no_flip: bool = _learning(
        False, "do not mirror pictures: a mirror image may belong to another class"
    )


@dataclass(frozen=True, kw_only=True)
class TrainingArguments(NetworkArguments, ModuleArguments):
    """All options but the pictures, the output and the initial weights."""

    balance: bool = _learning(
        False, "weigh classes so that all count equally, however many pictures they have"
    )
    held_out: float = _learning(0.2, "share of every class to keep for validation", metavar="SHARE")
    resize: Resize = _learning("crop", "the --resize that `imagebeam label` will use")
    seed: int = _learning(0, "seed of all random choices")
