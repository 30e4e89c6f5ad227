"""Run the command line: `python -m imagebeam`."""

from imagebeam.beam_pipeline.__main__ import main

if __name__ == "__main__":
    main()
