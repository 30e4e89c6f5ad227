"""Test the limits of control groups, read from trees of files as Linux shows them."""

import os
from pathlib import Path

import pytest

from imagebeam.resources import Resources, available, cores


def _tree(root: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    groups = root / "cgroup"
    groups.mkdir()
    for name, content in files.items():
        path = groups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    own_file = root / "self"
    own_file.write_text(own)
    return groups, own_file


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        # Version 2: a pod with 2 of 64 cores and 512 MB, seen from inside.
        (
            "0::/\n",
            {"cpu.max": "200000 100000\n", "memory.max": "512000000\n"},
            Resources(2, 512_000_000),
        ),
        # A fraction of a core counts as a core.
        ("0::/\n", {"cpu.max": "50000 100000\n"}, Resources(1)),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, Resources(3)),
        # A machine without limits.
        ("0::/\n", {"cpu.max": "max 100000\n", "memory.max": "max\n"}, Resources(64)),
        # The lowest limit of all groups around the process counts.
        (
            "0::/pods/pod1/app\n",
            {
                "pods/cpu.max": "800000 100000\n",
                "pods/pod1/cpu.max": "400000 100000\n",
                "pods/pod1/app/cpu.max": "max 100000\n",
                "pods/memory.max": "1000000000\n",
                "pods/pod1/app/memory.max": "2000000000\n",
                "other/cpu.max": "100000 100000\n",
            },
            Resources(4, 1_000_000_000),
        ),
        # Version 1, with controllers that are mounted together.
        (
            "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n",
            {
                "cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "300000\n",
                "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
                "memory/docker/abc/memory.limit_in_bytes": "1073741824\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            Resources(3, 1_073_741_824),
        ),
        # Version 1 inside a container, whose mount does not have the path that the file names.
        (
            "4:memory:/docker/abc\n3:cpu:/docker/abc\n",
            {
                "cpu/cpu.cfs_quota_us": "200000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "2000000000\n",
            },
            Resources(2, 2_000_000_000),
        ),
        # Version 1 without limits.
        (
            "3:cpu:/\n4:memory:/\n",
            {
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            Resources(64),
        ),
        # The limit exceeds the cores of the process.
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, Resources(64)),
    ],
)
def test_the_limits_of_a_container_are_respected(
    tmp_path: Path, own: str, files: dict[str, str], expected: Resources
) -> None:
    assert available(*_tree(tmp_path, own, files), cores=64) == expected


@pytest.mark.parametrize(
    ("own", "files"),
    [
        ("", {}),
        ("rubbish\n::::\n\n0:\n", {}),
        ("0::/../../etc\n", {}),
        ("0::/\n", {"cpu.max": "", "memory.max": ""}),
        ("0::/\n", {"cpu.max": "many\n", "memory.max": "lots\n"}),
        ("0::/\n", {"cpu.max": "1 2 3\n", "memory.max": "-1\n"}),
        ("0::/\n", {"cpu.max": "100000 0\n", "memory.max": "0\n"}),
        ("0::/\n", {"cpu.max": "é\n", "memory.max": "٣\n"}),
        ("0::/\n", {"cpu.max/folder": "", "memory.max/folder": ""}),
    ],
)
def test_unreadable_limits_are_ignored(tmp_path: Path, own: str, files: dict[str, str]) -> None:
    assert available(*_tree(tmp_path, own, files), cores=8) == Resources(8)


def test_a_machine_without_control_groups_has_no_limit(tmp_path: Path) -> None:
    assert available(tmp_path / "none", tmp_path / "neither", cores=8) == Resources(8)
    assert 1 <= cores() <= (os.cpu_count() or 1)


def test_the_affinity_of_the_process_counts(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available(tmp_path, tmp_path / "none").cores == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.parametrize(
    ("memory", "cores", "processes"),
    [
        *((None, None, 64), (None, 8, 8), (None, 100, 64)),
        *((100_000_000, None, 1), (512_000_000, None, 2), (1_000_000_000, None, 8)),
        *((512_000_000, 1, 1), (100_000_000_000, None, 64)),
    ],
)
def test_decoding_processes_follow_cores_and_memory(
    memory: int | None, cores: int | None, processes: int
) -> None:
    assert Resources(64, memory).decode_processes(cores) == processes


def test_a_large_module_leaves_room_for_fewer_processes() -> None:
    assert Resources(64, 1_000_000_000).decode_processes(module_bytes=20_000_000) == 5
    assert Resources(64).decode_processes(module_bytes=20_000_000) == 64


def test_one_image_can_take_half_of_all_memory() -> None:
    assert Resources(1).memory_for_one_image(2_000_000_000) == 2_000_000_000
    assert Resources(1, 512_000_000).memory_for_one_image(2_000_000_000) == 256_000_000
    assert Resources(1, 512_000_000).memory_for_one_image(100_000_000) == 100_000_000
