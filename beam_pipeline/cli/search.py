"""print the paths of images with a label, for use in pipes.

  imagebeam search labels/ tabby
  imagebeam search labels/ tabby --min-score 0.8 -0

Prints one path per line for every image whose label contains TEXT, in any case: the highest score
first, and those with the same score by name. Images that are not files of this machine are printed
as URIs. -0 ends paths with a zero byte instead of a newline,
which is safe for every file name and which `xargs -0` reads.

exit codes:
  0    at least one image was found
  1    none was found
  2    not an output, or no labels in it
"""

import argparse
import os
import sys
from collections.abc import Iterator

from imagebeam.beam_pipeline.exit_codes import DONE, FAILED
from imagebeam.beam_pipeline.options.declaration import check_range
from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.storage import location, uris


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", metavar="DIR", help="the --output of a job")
    parser.add_argument("text", metavar="TEXT", help="part of a label")
    parser.add_argument(
        "--min-score", type=float, default=0.0, metavar="S", help="only scores of at least S"
    )
    parser.add_argument(
        "--top", type=int, default=1, metavar="N", help="search the N best classes (default: 1)"
    )
    parser.add_argument("-0", "--null", action="store_true", help="end paths with a zero byte")


def run(args: argparse.Namespace) -> int:
    from imagebeam.beam_pipeline.options.values import least_score
    from imagebeam.outputs.ordered_matches import Match, by_score
    from imagebeam.outputs.reading import Output, Selection, similar_labels

    check_range("top", args.top)
    least = least_score(args.min_score)
    output = Output.open(location(args.output).absolute())
    selection = Selection(top=args.top)
    output.require(selection.columns, "search")
    text, end = args.text.casefold(), b"\0" if args.null else b"\n"
    labels: set[str] = set()

    def matches() -> Iterator[Match]:
        for row in output.rows(("uri", *selection.columns)):
            classes = selection.classes(row)
            labels.update(label for label, _ in classes)
            scores = (score for label, score in classes if text in label.casefold())
            if (score := next(scores, None)) is not None and score >= least:
                yield Match(score, row["uri"])

    is_terminal = sys.stdout.isatty()
    count = 0
    try:
        for count, match in enumerate(by_score(matches()), 1):  # noqa: B007
            is_file = uris.scheme(match.uri) == "file" and uris.MEMBER not in match.uri
            path = uris.to_path(match.uri) if is_file else match.uri
            # A pipe gets the exact bytes; a terminal must not obey those of a name.
            shown = escape_control_chars(path) if is_terminal else path
            sys.stdout.buffer.write(os.fsencode(shown) + end)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the pipe has enough. Nothing may be flushed to it at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    if not count:
        similar = similar_labels(args.text, labels)
        print(
            f"imagebeam: no image has a label with {args.text!r}"
            f"{' and such a score' if least else ''}. "
            f"{escape_control_chars(similar)}".rstrip(),
            file=sys.stderr,
        )
    return DONE if count else FAILED
