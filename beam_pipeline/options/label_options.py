"""The options of a job, declared once: `label` and `doctor` take their arguments from here."""

import argparse
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import get_args

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.options.declaration import byte_count, option, parsed_options
from imagebeam.beam_pipeline.options.module_arguments import EngineArguments
from imagebeam.beam_pipeline.options.source_options import SourceOptions
from imagebeam.beam_pipeline.options.values import error_codes, least_score, names_of
from imagebeam.beam_pipeline.runners.watchdog import ANY_BUT_ALL, AbortLimits, FailureLimit
from imagebeam.images.digests import Digest
from imagebeam.images.settings import DecodeLimits, Preprocessing, ReadColumns, Resize, Truncation
from imagebeam.outputs.layout import Format
from imagebeam.outputs.schema import EMITTED, FINAL_URL, RUN_COLUMNS, VERSION
from imagebeam.storage import AnyPath, location

_row = partial(option, group="output rows")
_picture = partial(option, group="pictures")
_job = partial(option, group="job")

_ADDED_BY = {
    VERSION: "--check-changed",
    FINAL_URL: "--final-url",
    **dict.fromkeys(get_args(Digest), "--digest"),
    **dict.fromkeys(RUN_COLUMNS, "--run-columns"),
}


@dataclass(frozen=True)
class LabelOptions(SourceOptions, EngineArguments):
    """The options of one job; each field is the option of the same name."""

    inputs: tuple[str, ...]
    output: AnyPath
    module: str | None = option(
        None,
        "module to run: name of the catalogue, hub URL, folder, .tar.gz or .tflite, optionally "
        "with @sha256:…",
        metavar="HANDLE",
        short="-m",
        shown="mobilenet_v1_050_160, or $IMAGEBEAM_MODULE",
    )
    emit: tuple[str, ...] = _row(
        ("labels",),
        "outputs to write: any of labels, logits, features",
        metavar="NAME,…",
        convert=names_of("emit", EMITTED),
    )
    top_k: int = _row(5, "number of classes in `top_k`")
    min_score: float | None = _row(
        None,
        "leave classes with a lower score out of `top_k`, for modules that give each class a score "
        "of its own",
        metavar="SCORE",
        convert=least_score,
    )
    labels: Path | None = _row(
        None, "class names, one per line, or the word imagenet", shown="the module's own"
    )
    format: Format = _row("parquet", "file format of the predictions")
    digest: Digest | None = _row(
        None,
        "add a column with this digest of each image's bytes, and count images of the same content",
    )
    final_url: bool = _row(
        False, "add a column `final_url`: the address that redirects of a web server led to"
    )
    run_columns: tuple[str, ...] = _row(
        (),
        "columns that say which run wrote a row: any of run_id, labelled_at, module",
        metavar="NAME,…",
        convert=names_of("run-columns", RUN_COLUMNS),
        shown="",
    )
    resize: Resize = _picture(
        "crop",
        "crop: the centre, 87.5 % of the shorter side, averaged; stretch: scale the whole image "
        "to the input size (bilinear)",
    )
    max_image_bytes: int = _picture(
        Preprocessing.max_bytes,
        "largest encoded image; a larger one becomes an error row",
        kind=byte_count,
    )
    max_image_pixels: int = _picture(
        Preprocessing.max_pixels, "largest picture in pixels; a larger one becomes an error row"
    )
    truncated: Truncation = _picture(
        "refuse",
        "refuse: a picture that ends early becomes an error row; accept: label what is there",
    )
    limit: int | None = _job(None, "label only the first N images")
    max_failure_rate: FailureLimit = _job(
        ANY_BUT_ALL,
        "exit with code 1 if more images fail than this share, such as 0.05, or this count, such "
        "as 100; stops early if the first 1,000 images show it",
        metavar="LIMIT",
        shown="1.0",
        convert=FailureLimit.parse,
    )
    retry_failed: tuple[str, ...] | None = _job(
        None,
        "process failed images again: those with these error codes, or all retryable ones; put "
        "INPUT before this option",
        nargs="*",
        metavar="CODE",
        convert=error_codes,
    )
    check_changed: bool = _job(
        False,
        "label images again that were replaced under their names; adds a column `version`: time "
        "and size of local files, versions of objects in buckets",
    )
    overwrite: bool = _job(False, "delete the rows of earlier runs first")
    images_per_shard: int | None = _job(
        None, "number of images per output file", shown="depends on the number of images"
    )
    decode_processes: int | None = _job(
        None, "number of decoding processes per worker", shown="one per core"
    )
    decode_seconds: float = _job(
        DecodeLimits.seconds,
        "time limit for reading and decoding one image; a slower one becomes an error row",
    )
    decode_memory: int = _job(
        DecodeLimits.memory,
        "memory limit for decoding one image; one that needs more becomes an error row",
        kind=byte_count,
        # Less is not enough for a decoding process to answer.
        least=10_000_000,
    )
    stall_seconds: float = _job(
        AbortLimits.stall_seconds, "exit with code 3 if no shard is finished for this time"
    )
    detach: bool = _job(
        False, "submit the job to a cluster and exit; `imagebeam status DIR` shows its progress"
    )
    shared_disk: bool = _job(
        False, "the workers of a cluster find local files under the same paths as this machine"
    )
    beam_args: tuple[str, ...] = ()
    debug: bool = False

    def __post_init__(self) -> None:
        try:
            str(self.output).encode()
        except UnicodeEncodeError:
            # Names of its files are elements of the pipeline, whose texts are UTF-8.
            raise UsageError(
                f"--output {self.output}: the path is not valid UTF-8. Choose another folder."
            ) from None

    @classmethod
    def parse(cls, args: argparse.Namespace) -> "LabelOptions":
        """Return the options from what argparse read.

        Raises:
            UsageError, UnwritableName: a value is not allowed.
        """
        options = cls(
            inputs=tuple(args.inputs),
            output=location(args.output).absolute(),
            beam_args=tuple(args.beam_args),
            debug=args.debug,
            **parsed_options(cls, args),
        )
        for kept, column in options.keep.items():
            if column in (*options.added_columns, *options.run_columns):
                raise UsageError(
                    f"{_ADDED_BY[column]}: adds a column {column!r}, which --keep names too. Give "
                    f"that one another name, such as --keep {kept}=known_{column}."
                )
        if "labelled_at" in options.run_columns and options.format == "tfrecord":
            raise UsageError(
                "--run-columns labelled_at: TFRecord files have no times. Use --format parquet."
            )
        if options.check_changed and options.format == "tfrecord":
            raise UsageError(
                "--check-changed: needs rows that can be deleted. Use --format parquet."
            )
        return options

    def preprocessing(self, size: tuple[int, int]) -> Preprocessing:
        """Return the preprocessing for a module that takes (height, width) pixels."""
        return Preprocessing(
            size,
            self.resize,
            self.max_image_bytes,
            self.max_image_pixels,
            self.truncated,
            self.digest,
        )

    @property
    def added_columns(self) -> tuple[str, ...]:
        """The columns that listing and reading add to rows, in their order."""
        version = (VERSION,) if self.check_changed else ()
        digest = () if self.digest is None else (self.digest,)
        return (*version, *digest, *((FINAL_URL,) if self.final_url else ()))

    @property
    def read_columns(self) -> ReadColumns:
        """Return the columns that reading adds."""
        listed = len(self.keep) + self.check_changed
        return ReadColumns(listed, self.digest is not None, self.final_url)

    @property
    def decode_limits(self) -> DecodeLimits:
        """The time and memory that one image may take."""
        return DecodeLimits(self.decode_seconds, self.decode_memory)
