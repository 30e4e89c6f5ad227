import re

import pytest

from imagebeam.transforms.worker_versions import (
    WorkerMismatchError,
    check_versions,
    installed_versions,
)


def test_a_worker_with_the_versions_of_the_submitter_passes() -> None:
    check_versions(installed_versions())


def test_a_worker_with_other_versions_fails_and_names_them() -> None:
    held = installed_versions()
    difference = f"apache-beam {held['apache-beam']} (submitter: 1.0), imagebeam"
    with pytest.raises(WorkerMismatchError, match=re.escape(difference)):
        check_versions({"Python": held["Python"], "apache-beam": "1.0", "imagebeam": "9.9"})
