import pytest

from benchmarks.dataflow_costs import Bill, bills, cpu_seconds_per_image


def test_the_cost_of_an_image_is_the_cpu_time_of_all_worker_stages() -> None:
    stages = {
        "start": {"wall_seconds": 5.0, "cpu_seconds": 5.0},
        "decode": {"wall_seconds": 9.0, "cpu_seconds": 6.0},
        "infer": {"wall_seconds": 2.0, "cpu_seconds": 2.0},
    }
    summary = {"labelled": 3, "failed": 1, "already_done": 96, "stages": stages}
    assert cpu_seconds_per_image(summary) == 2.0


def test_a_bill_has_the_hours_of_cpu_memory_and_disk() -> None:
    # 3,600 images of 2 s are 2 hours of CPU, or 4 of machines that are busy half of the time.
    assert bills(2.0, 3600, busy=0.5, disk_gb=30) == [
        Bill("n2d-highcpu-4", 1, 4.0, 4.0, 30.0),
        Bill("n2d-standard-4", 4, 4.0, 16.0, 30.0),
        Bill("n2d-highmem-4", 8, 4.0, 32.0, 30.0),
    ]


def test_the_total_uses_the_given_prices() -> None:
    bill = Bill("n2d-standard-4", 4, 4.0, 16.0, 30.0)
    assert bill.total(vcpu=1.0, memory=0.25, disk=0.1) == pytest.approx(11.0)
