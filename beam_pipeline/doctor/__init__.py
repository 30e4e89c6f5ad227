"""What `imagebeam doctor` looks at, one thing a file, before a job is paid for.

A check is a record of what it needs and a `run` that yields findings. It runs in a process of its
own, against a clock: see `running`. None writes anything but a probe that it removes.
"""

from imagebeam.beam_pipeline.doctor.finding import Check, Finding, FindingState

__all__ = ["Check", "Finding", "FindingState"]
