"""Test that the names that other programs import are documented and work."""

import doctest
import importlib
import inspect

import pytest

import imagebeam
from imagebeam import transforms


def test_the_documented_names_are_exported() -> None:
    assert imagebeam.__all__ == [
        "ImageError",
        "ImagebeamError",
        "Label",
        "LabelImages",
        "LabelledImages",
        "ModuleError",
        "ModuleHandler",
        "ModuleOptions",
        "RankedClass",
        "__version__",
        "iter_labels",
        "label_pictures",
        "local_runner",
        "row_as_dict",
    ]
    with pytest.raises(AttributeError, match="'imagebeam' has no attribute 'label_image'"):
        getattr(imagebeam, "label_image")  # noqa: B009 - the checker knows that it is not there


@pytest.mark.parametrize("name", sorted({*imagebeam.__all__} - {"__version__"}))
def test_every_name_exists_and_is_documented(name: str) -> None:
    found = getattr(imagebeam, name)
    # The description of a NamedTuple without a docstring is only its signature.
    assert not (inspect.getdoc(found) or f"{name}(").startswith(f"{name}(")


def test_the_steps_are_the_same_objects() -> None:
    assert imagebeam.LabelImages is transforms.LabelImages
    assert imagebeam.ModuleHandler is transforms.ModuleHandler


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("imagebeam.pictures", "label_pictures"),
        ("imagebeam.transforms.label_images", "LabelImages"),
        ("imagebeam.transforms.module_handler", "ModuleHandler"),
    ],
)
def test_the_examples_give_the_stated_results(module: str, name: str) -> None:
    holder = importlib.import_module(module)
    [test] = [
        test for test in doctest.DocTestFinder().find(getattr(holder, name), name) if test.examples
    ]
    assert doctest.DocTestRunner().run(test) == (0, len(test.examples))
