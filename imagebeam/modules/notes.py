"""State what a user must know about a module before trusting its results."""

from imagebeam.modules.input_ranges import ASSUMED, text_of
from imagebeam.modules.types import ModuleInfo

CONSTANT_ANSWERS = "the module gives the same answer to very different pictures"


def notes_of(info: ModuleInfo) -> tuple[str, ...]:
    """State contradictions, assumptions and answers that mean nothing; the worst comes first."""
    notes = [_constant_answers(info)] if info.constant_answers else []
    notes += info.contradictions
    if info.range_origin == ASSUMED:
        notes.append(
            f"nothing states the input range of the module; {text_of(info.input_ranges)} is "
            "assumed, and with a wrong range its labels are wrong. `imagebeam module evaluate` "
            "finds the right one with a few labelled pictures. Give --input-range LOW HIGH, for "
            "example -1 1 or 0 255."
        )
    return tuple(notes)


def _constant_answers(info: ModuleInfo) -> str:
    start = f"{CONSTANT_ANSWERS} with the input range {text_of(info.input_ranges)}"
    if not info.varying_ranges:
        return f"{start}, so its answers mean nothing. Check --input-range, or get it again."
    options = " or ".join(f"--input-range {low:g} {high:g}" for low, high in info.varying_ranges)
    return f"{start}, so its answers mean nothing. They differ with {options}."
