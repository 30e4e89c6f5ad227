import os
from pathlib import Path

from imagebeam.report.file_dates import GONE, UNKNOWN, FileDates


def test_dates_of_local_files_are_looked_up(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.jpg" for index in range(40)]
    for index, path in enumerate(paths):
        path.touch()
        os.utime(path, (1000.9 + index,) * 2)
    dates = FileDates()
    names = [
        *map(str, paths),
        f"{paths[0]}!/x",
        "gs://b/x.jpg",
        str(tmp_path / "no"),
        paths[3].as_uri(),
    ]
    found = dates.of(names).tolist()
    assert found == [*range(1000, 1040), UNKNOWN, UNKNOWN, GONE, 1003]
    assert (dates.of([]).tolist(), dates.skipped) == ([], 0)


def test_nothing_is_looked_up_after_the_time_limit(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    names = [str(tmp_path / "a"), "https://example.org/a.jpg"]
    seconds = iter([0.0, 5.0, 5.0, 11.0])
    dates = FileDates(10.0, lambda: next(seconds))
    assert dates.of(names)[0] > 0
    assert dates.of(names).tolist() == [UNKNOWN, UNKNOWN]
    assert dates.skipped == 1


def test_a_name_that_no_system_accepts_is_unknown() -> None:
    assert FileDates().of(["/a\0b"]).tolist() == [UNKNOWN]
