"""The limit to reach: plain processes that read, decode, infer and write, and nothing else.

python -m benchmarks.bare_loop MODULE PHOTOS OUTPUT
"""

import multiprocessing
import os
import sys
from pathlib import Path


def label_share(paths: list[str], handle: str, output: str) -> None:
    """Label some photos in this process and write one Parquet file."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from imagebeam.images.decode import decode
    from imagebeam.modules.engines import load_engine
    from imagebeam.modules.open_module import open_module

    module = open_module(handle)
    engine = load_engine(module.engine, module.path, module.info)
    classes: list[int] = []
    scores: list[float] = []
    for start in range(0, len(paths), 64):
        photos = [Path(path).read_bytes() for path in paths[start : start + 64]]
        pixels = np.stack([decode(photo, module.info.image_size).pixels for photo in photos])
        answer = engine.run(pixels).scores
        assert answer is not None
        classes += answer.argmax(axis=1).tolist()
        scores += answer.max(axis=1).tolist()
    names = pa.array(module.info.class_names).take(pa.array(classes))
    pq.write_table(pa.table({"uri": paths, "label": names, "score": scores}), output)


def main(handle: str, photos: str, output: str) -> None:
    """Label a folder of photos with one process a core."""
    paths = sorted(str(path) for path in Path(photos).rglob("*.jpg"))
    count = len(os.sched_getaffinity(0))
    Path(output).mkdir()
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(
            target=label_share, args=(paths[index::count], handle, f"{output}/{index}.parquet")
        )
        for index in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(any(process.exitcode for process in processes))


if __name__ == "__main__":
    main(*sys.argv[1:])
