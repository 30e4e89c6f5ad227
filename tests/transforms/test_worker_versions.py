import re

import pytest

from imagebeam.transforms.worker_versions import WorkerMismatchError, check_versions, held_versions


def test_a_worker_like_its_submitter_is_taken() -> None:
    check_versions(held_versions())


def test_another_worker_says_what_differs() -> None:
    held = held_versions()
    difference = f"apache-beam {held['apache-beam']} and not 1.0, imagebeam"
    with pytest.raises(WorkerMismatchError, match=re.escape(difference)):
        check_versions({"Python": held["Python"], "apache-beam": "1.0", "imagebeam": "9.9"})
