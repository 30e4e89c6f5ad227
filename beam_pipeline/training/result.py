"""The report at the end of `module train`: accuracy, confusions, mistakes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from imagebeam.beam_pipeline.reporting.terminal import SafeConsole, SafeTable
from imagebeam.evaluation.accuracy import wilson_interval
from imagebeam.evaluation.confusion import Confusion
from imagebeam.storage.atomic_files import write_file

_MISTAKES_FILE = "mistakes.csv"
_SHOWN = 5
_PAIRS_SHOWN = 10
_LARGEST_MATRIX = 12


def print_result(
    forms: Mapping[str, int],
    confusion: Confusion,
    skipped: Sequence[str],
    module: Path,
    state: Path,
) -> None:
    """Print the results on the validation images, and where everything is.

    Args:
        forms: the number of correct validation images, by form of the network.
        confusion: the confusion of the form that `label` runs.
        skipped: pictures that could not be decoded, each as "path: reason".
        module: the new module.
        state: the folder for the list of mistakes.
    """
    out = SafeConsole()
    table = SafeTable("validation images", "correct", "accuracy", "95 % interval")
    for form, correct in forms.items():
        low, high = wilson_interval(correct, confusion.images)
        table.add_row(
            form,
            f"{correct:,} of {confusion.images:,}",
            f"{correct / confusion.images:.1%}",
            f"{low:.1%} to {high:.1%}",
        )
    out.print(table)
    _print_confusion(out, confusion)
    mistakes = state / _MISTAKES_FILE
    state.mkdir(parents=True, exist_ok=True)
    write_file(mistakes, confusion.to_csv().encode())
    if confusion.mistakes:
        out.print(f"\n{len(confusion.mistakes):,} mistakes:", soft_wrap=True)
        for each in confusion.mistakes[:_SHOWN]:
            out.print(f"  {each.image}: {each.predicted}, score {each.score:.2f}", soft_wrap=True)
        if len(confusion.mistakes) > _SHOWN:
            out.print(f"  all in {mistakes}", soft_wrap=True)
    if skipped:
        out.print(f"\n{len(skipped):,} pictures skipped:", soft_wrap=True)
        for line in skipped[:_SHOWN]:
            out.print(f"  {line}", soft_wrap=True)
    out.print(f"\nmodule   {module}", soft_wrap=True)
    out.print(f"run      {state}: can be removed", soft_wrap=True)
    out.print(f"next     imagebeam label IMAGES --output DIR --module {module}", soft_wrap=True)


def _print_confusion(out: SafeConsole, confusion: Confusion) -> None:
    """Print the whole matrix if it is small, else the most frequent confusions."""
    if not confusion.mistakes:
        return
    if len(confusion.classes) <= _LARGEST_MATRIX:
        matrix = SafeTable("class", *confusion.classes)
        for name, counts in zip(confusion.classes, confusion.counts, strict=True):
            matrix.add_row(name, *(f"{count:,}" if count else "" for count in counts))
        out.print("\nPredictions (columns) for the images of each class (rows):", soft_wrap=True)
        out.print(matrix)
        return
    out.print("\nMost frequent confusions:", soft_wrap=True)
    for name, wrong, count in confusion.most_confused()[:_PAIRS_SHOWN]:
        out.print(f"  {name} taken for {wrong}: {count:,}", soft_wrap=True)
