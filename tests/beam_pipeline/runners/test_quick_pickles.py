import pytest
from apache_beam.internal import pickler

from imagebeam.beam_pipeline.runners.quick_pickles import quick_pickles


def test_what_is_pickled_is_what_is_read() -> None:
    values = [1, "two", (3.0, None)]
    before = pickler.dumps(values)
    with quick_pickles():
        inside = pickler.dumps(values)
        assert pickler.loads(inside) == values
        assert pickler.loads(before) == values
    assert inside != before
    assert pickler.dumps(values) == before


def test_beam_compresses_again_afterwards_whatever_happens() -> None:
    before = pickler.dumps(7)
    with pytest.raises(RuntimeError), quick_pickles():
        raise RuntimeError
    assert pickler.dumps(7) == before
