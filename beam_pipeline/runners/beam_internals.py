"""Beam's runner of jobs on this machine."""

from apache_beam.runners.portability.fn_api_runner import FnApiRunner, worker_handlers
from apache_beam.runners.worker.statesampler import StateSampler

_SAMPLING_MS = 10


def local_runner() -> FnApiRunner:
    """What Beam's DirectRunner falls back to where it cannot download Prism, and loses nothing.

    As it comes, a thread beside the workers sends off once a second what they have written so far:
    it takes the bytes, sends them, and clears the buffer without a lock. What a worker writes in
    between is lost, and an element that is half written is torn (seen in Beam 2.77.0). Without
    that thread a worker sends what it wrote itself, between two elements, every 10 MB.

    Another thread looks every 200 ms which step is at work, and each stage waits at its end until
    that thread has woken. Here it wakes more often.
    """
    worker_handlers.DATA_BUFFER_TIME_LIMIT_MS = 0
    StateSampler.__init__.__defaults__ = (_SAMPLING_MS,)
    return FnApiRunner()
