"""Compare the time that flatbuffers take per image, on one thread, in turns.

    python -m benchmarks.flatbuffers uint8/ int8/

Each is a handle of a module that LiteRT runs. A round is a few hundredths of a second, so that all
see the same state of a shared machine; the median of the rounds counts.
"""

import argparse
import statistics
import time

import numpy as np

from imagebeam.modules.engines import load_engine
from imagebeam.modules.open_module import open_module

_PICTURES = 64


def main() -> None:
    """Run the flatbuffers in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("handles", nargs="+", metavar="HANDLE")
    parser.add_argument("--rounds", type=int, default=100)
    args = parser.parse_args()
    runs = {}
    for handle in args.handles:
        module = open_module(handle, "litert")
        engine = load_engine(module.engine, module.path, module.info)
        pixels = np.random.default_rng(0).integers(
            0, 256, (_PICTURES, *module.info.image_size, 3), dtype=np.uint8
        )
        runs[handle] = (engine, pixels)
    times: dict[str, list[float]] = {handle: [] for handle in runs}
    for _ in range(args.rounds):
        for handle, (engine, pixels) in runs.items():
            start = time.thread_time()
            engine.run(pixels)
            times[handle].append(1000 * (time.thread_time() - start) / _PICTURES)
    first = statistics.median(times[args.handles[0]])
    print("| module | CPU ms per image | lowest | highest | × the first |")
    print("|---|---|---|---|---|")
    for handle, each in times.items():
        middle, low, high = statistics.median(each), min(each), max(each)
        print(f"| {handle} | {middle:.3f} | {low:.3f} | {high:.3f} | {middle / first:.2f} |")


if __name__ == "__main__":
    main()
