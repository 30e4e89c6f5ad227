"""Collect the functions of a loaded SavedModel. Needs TensorFlow."""

from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from imagebeam.modules.output_kinds import DEFAULT_OUTPUT
from imagebeam.modules.signatures import Signature, Spec


def signatures_of(loaded: Any) -> dict[str, Signature]:
    """Collect the signatures of a loaded SavedModel, and its `__call__`, by name."""
    found = {name: _from_signature(name, each) for name, each in loaded.signatures.items()}
    for function in _traces_of_call(loaded):
        arguments, keywords = function.structured_input_signature
        # Keras traces one function for training and one without.
        if not any(each is True for each in (*arguments, *keywords.values())):
            found.setdefault("__call__", _from_call(loaded, function))
    return found


def _traces_of_call(loaded: Any) -> Iterable[Any]:
    return loaded.__call__.concrete_functions if callable(loaded) else ()


def _from_signature(name: str, function: Any) -> Signature:
    _, inputs = function.structured_input_signature
    only_input = next(iter(inputs), "")
    return Signature(
        name=name,
        inputs={key: _spec(tensor) for key, tensor in inputs.items()},
        outputs={key: _spec(tensor) for key, tensor in function.structured_outputs.items()},
        call=lambda pictures: function(**{only_input: pictures}),
    )


def _from_call(loaded: Any, function: Any) -> Signature:
    example = function.structured_input_signature
    specs = [each for each in tf.nest.flatten(example) if _is_spec(each)]

    def call(pictures: tf.Tensor) -> dict[str, Any]:
        arguments, keywords = tf.nest.map_structure(
            lambda each: pictures if _is_spec(each) else each, example
        )
        return _by_name(loaded(*arguments, **keywords))

    return Signature(
        name="__call__",
        inputs={each.name or str(number): _spec(each) for number, each in enumerate(specs)},
        outputs={key: _spec(each) for key, each in _by_name(function.structured_outputs).items()},
        call=call,
    )


def _is_spec(value: Any) -> bool:
    return isinstance(value, tf.TensorSpec)


def _by_name(outputs: Any, path: tuple[str, ...] = ()) -> dict[str, Any]:
    """Name the tensors of a result by their keys and places, such as "heads/0"."""
    if isinstance(outputs, (list, tuple)) and len(outputs) == 1:
        [outputs] = outputs
    if isinstance(outputs, (list, tuple)):
        outputs = {str(number): each for number, each in enumerate(outputs)}
    if not isinstance(outputs, Mapping):
        return {"/".join(path) or DEFAULT_OUTPUT: outputs}
    return {
        name: tensor
        for key, each in outputs.items()
        for name, tensor in _by_name(each, (*path, str(key))).items()
    }


def _spec(tensor: Any) -> Spec:
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return Spec(shape, tensor.dtype.name)
