"""Read and write weights under their slim names: checkpoints, modules, networks.

In slim checkpoints, the variables of `tf.contrib.quantize` are named after operations, so ranges
have a doubled scope: `MobilenetV1/MobilenetV1/Conv2d_0/act_quant/max`.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from imagebeam.mobilenet_v1.architecture import LOGITS, SCOPE
from imagebeam.mobilenet_v1.errors import NetworkError
from imagebeam.mobilenet_v1.network import Network
from imagebeam.mobilenet_v1.quantops import Quantization

Weights = Mapping[str, NDArray[Any]]

_LOGITS_BIASES = f"{SCOPE}/{LOGITS}/biases"
_LAST_KERNEL = f"{SCOPE}/Conv2d_13_pointwise/weights"
_FULL_DEPTH = 1024
_NAMES_SHOWN = 3


def read_checkpoint(prefix: str | Path) -> Weights:
    """Read the variables of a slim checkpoint, in either format of TensorFlow 1.

    Args:
        prefix: the common start of the names of its files, without `.index` or `.data-…`.

    Raises:
        NetworkError: `prefix` is not a readable checkpoint of MobileNet V1.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = [name for name in reader.get_variable_to_shape_map() if name.startswith(SCOPE)]
        weights = {name: reader.get_tensor(name) for name in names}
    except (ValueError, IndexError, tf.errors.OpError) as error:
        raise NetworkError(
            f"{prefix}: not a readable checkpoint: {error}. "
            "Give the common start of the names of its files, without `.index` or `.data-…`."
        ) from error
    return _recognised(weights, str(prefix))


def read_module(directory: str | Path) -> Weights:
    """Read the variables of a MobileNet V1 module, in TF1 Hub or SavedModel format.

    Raises:
        NetworkError: `directory` is not a readable module, or not one of MobileNet V1.
    """
    try:
        variables = tf.saved_model.load(str(directory)).variables
    except (ValueError, AttributeError, OSError, tf.errors.OpError) as error:
        raise NetworkError(
            f"{directory}: not a readable module with variables: {error}."
        ) from error
    weights = {variable.name.removesuffix(":0"): variable.numpy() for variable in variables}
    return _recognised(weights, str(directory))


def width_of(weights: Weights) -> float:
    """Return the width of the network of `weights`; they fit any input size."""
    return float(weights[_LAST_KERNEL].shape[-1] / _FULL_DEPTH)


def class_count_of(weights: Weights) -> int:
    """Return the number of classes of `weights`."""
    return len(weights[_LOGITS_BIASES])


def quantization_of(weights: Weights) -> Quantization:
    """Return the integers that `weights` were trained for; "uint8" if they are float weights."""
    ranges = weights.get(f"{SCOPE}/{LOGITS}/weights_quant/max")
    return "int8" if ranges is not None and ranges.ndim else "uint8"


def load_weights(network: Network, weights: Weights) -> None:
    """Load all of `weights` into `network`; unknown names are ignored.

    Raises:
        NetworkError: a name is missing, or a value has another shape.
    """
    _assign(network.variables, weights)


def transfer_weights(network: Network, weights: Weights) -> bool:
    """Load the `weights` of another task into `network` as a start for training.

    Ranges are left out because training finds them again; so float checkpoints work too. The last
    layer is left out if the number of classes differs.

    Returns:
        True if the last layer was loaded.

    Raises:
        NetworkError: a name is missing, or a value has another shape.
    """
    same_classes = class_count_of(weights) == network.architecture.class_count
    variables = [
        variable
        for variable in network.variables
        if "_quant/" not in variable.name and (same_classes or LOGITS not in variable.name)
    ]
    _assign(variables, weights)
    return same_classes


def _recognised(weights: Weights, source: str) -> Weights:
    for name in (_LAST_KERNEL, _LOGITS_BIASES):
        if name not in weights:
            raise NetworkError(
                f"{source}: no variable {name}: these are not MobileNet V1 weights, which is the "
                "only network that can be trained as a whole."
            )
    return weights


def _assign(variables: Sequence[tf.Variable], weights: Weights) -> None:
    missing = [_name(variable) for variable in variables if _name(variable) not in weights]
    if missing:
        fix = (
            "These are float weights: learn the ranges with `imagebeam module train --from`."
            if all("_quant/" in name for name in missing)
            else "The weights are of another network."
        )
        raise NetworkError(f"no variable {_listed(missing)}. {fix}")
    misshaped = [
        f"{_name(variable)} is {weights[_name(variable)].shape}, not {tuple(variable.shape)}"
        for variable in variables
        if weights[_name(variable)].shape != tuple(variable.shape)
    ]
    if misshaped:
        raise NetworkError(
            f"{_listed(misshaped)}. The weights are of width {width_of(weights):g} "
            f"with {class_count_of(weights)} classes. Use these values."
        )
    for variable in variables:
        variable.assign(weights[_name(variable)])


def _listed(names: list[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _name(variable: tf.Variable) -> str:
    return str(variable.name).removesuffix(":0")
