import os
import sys

import numpy as np
import pytest

from imagebeam.images.reading.shared_pixels import SLOTS, SharedPixels


def test_one_end_reads_the_pixels_that_the_other_writes() -> None:
    ours = SharedPixels((2, 3))
    theirs = SharedPixels((2, 3), os.dup(ours.descriptor))
    theirs.slots[-1] = 7
    theirs.sizes[0] = 640, 480
    theirs.digests[1] = 9
    assert ours.slots.shape == (SLOTS, 2, 3, 3)
    assert np.unique(ours.slots[-1]).tolist() == [7]
    assert np.unique(ours.slots[:-1]).tolist() == [0]
    assert ours.sizes.shape == (SLOTS, 2)
    assert ours.sizes[0].tolist() == [640, 480]
    assert np.unique(ours.sizes[1:]).tolist() == [0]
    assert np.nonzero(ours.digests.any(axis=1))[0].tolist() == [1]
    ours.close()
    theirs.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can seal a file")
def test_the_shared_memory_cannot_be_truncated() -> None:
    shared = SharedPixels((2, 3))
    with pytest.raises(PermissionError):
        os.truncate(shared.descriptor, 0)
    shared.close()
