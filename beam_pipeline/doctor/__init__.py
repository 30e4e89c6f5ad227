"""The checks of `imagebeam doctor`, one subject per file.

A check is a record of its inputs with a `run` method that yields findings. Each runs in a process
of its own with a time limit: see `check_process`. A check writes only a probe, which it removes.
"""

from imagebeam.beam_pipeline.doctor.finding import Check, Finding, FindingState

__all__ = ["Check", "Finding", "FindingState"]
