"""Run `benchmarks.scaling`, on all cores of this machine unless numbers of cores are given."""

from benchmarks.scaling import main

if __name__ == "__main__":
    main()
