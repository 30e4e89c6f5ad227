from pathlib import Path

import numpy as np

from images.preprocessing import Preprocessing
from images.reader import ImageReader
from tests.transforms.pictures import SIZE, grey
from transforms.decode_images import decode_shard
from transforms.records import Failure, ImageRef, Shard


def test_pictures_and_failures_are_kept_apart_and_in_order(tmp_path: Path) -> None:
    light, dark = grey(tmp_path, "light.png", 200, (30, 20)), grey(tmp_path, "dark.png", 10)
    empty, missing = tmp_path / "empty.png", tmp_path / "missing.png"
    empty.touch()
    refs = (
        ImageRef(light, 0, 0),
        ImageRef(str(empty), 0, 1),
        ImageRef("list.txt#line=3", 0, 2, ("bad_entry", "no name")),
        ImageRef(str(missing), 0, 3),
        ImageRef(dark, 0, 4),
    )
    shard = decode_shard(Shard("id", refs), ImageReader(Preprocessing(SIZE), processes=2))
    assert (shard.id, shard.uris) == ("id", [light, dark])
    assert shard.widths.tolist() == [30, 10]
    assert shard.heights.tolist() == [20, 12]
    assert shard.pixels.dtype == np.uint8
    assert shard.pixels.shape == (2, *SIZE, 3)
    assert [np.unique(pixels).tolist() for pixels in shard.pixels] == [[200], [10]]
    assert shard.failures == (
        Failure("list.txt#line=3", "list", "bad_entry", "no name", False),
        Failure(str(empty), "decode", "empty_file", "0 bytes", False),
        Failure(str(missing), "fetch", "not_found", "No such file or directory", True),
    )
    assert list(shard.costs) == ["fetch", "decode"]


def test_a_shard_of_rubbish_has_no_pictures(tmp_path: Path) -> None:
    refs = (ImageRef(str(tmp_path / "nothing.jpg"), 0, 0),)
    shard = decode_shard(Shard("id", refs), ImageReader(Preprocessing(SIZE), processes=1))
    assert shard.pixels.shape == (0, *SIZE, 3)
    assert [failure.code for failure in shard.failures] == ["not_found"]
