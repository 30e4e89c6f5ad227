"""The options of a job, declared once: `label` and `doctor` take their arguments from here."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from imagebeam.beam_pipeline.exit_codes import UsageError
from imagebeam.beam_pipeline.module_arguments import ModuleArguments
from imagebeam.beam_pipeline.option_declaration import byte_count, option, parsed_options
from imagebeam.beam_pipeline.option_values import (
    error_codes,
    headers,
    kept_columns,
    least_score,
    names_of,
    root_uri,
    template,
    user_agent,
)
from imagebeam.beam_pipeline.runners.watchdog import ANY_BUT_ALL, AbortLimits, FailureLimit
from imagebeam.images.containers.types import MemberSelection
from imagebeam.images.digests import Digest
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests.entry_addresses import EntryRules
from imagebeam.images.listing.names import NameRules
from imagebeam.images.settings import (
    Access,
    DecodeLimits,
    Preprocessing,
    ReadColumns,
    Resize,
    Truncation,
)
from imagebeam.outputs.layout import Format
from imagebeam.outputs.schema import EMITTED, FINAL_URL, RUN_COLUMNS, VERSION
from imagebeam.storage import AnyPath, Settings, location
from imagebeam.storage.secrets import HIDE_QUERY, HideQuery
from imagebeam.storage.types import RequestHeader

_ROWS = "output rows"
_PICTURES = "pictures"
_SOURCES = "archives and remote storage"
_JOB = "job"

_ADDED_BY = {
    VERSION: "--check-changed",
    FINAL_URL: "--final-url",
    **dict.fromkeys(get_args(Digest), "--digest"),
    **dict.fromkeys(RUN_COLUMNS, "--run-columns"),
}


@dataclass(frozen=True)
class LabelOptions(ModuleArguments):
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
    engine: str = option(
        "auto",
        "library that runs the module",
        choices=("auto", "litert", "tensorflow", "onnx"),
        shown="litert where possible",
    )
    emit: tuple[str, ...] = option(
        ("labels",),
        "outputs to write: any of labels, logits, features",
        group=_ROWS,
        metavar="NAME,…",
        convert=names_of("emit", EMITTED),
    )
    top_k: int = option(
        5, "number of classes in `top_k`", group=_ROWS, kind=int, metavar="N", least=1
    )
    min_score: float | None = option(
        None,
        "leave classes with a lower score out of `top_k`, for modules that give each class a score "
        "of its own",
        group=_ROWS,
        kind=float,
        metavar="SCORE",
        convert=least_score,
    )
    labels: Path | None = option(
        None,
        "class names, one per line, or the word imagenet",
        group=_ROWS,
        kind=Path,
        metavar="FILE",
        shown="the module's own",
    )
    format: Format = option(
        "parquet", "file format of the predictions", group=_ROWS, choices=get_args(Format)
    )
    digest: Digest | None = option(
        None,
        "add a column with this digest of each image's bytes, and count images of the same content",
        group=_ROWS,
        choices=get_args(Digest),
    )
    final_url: bool = option(
        False,
        "add a column `final_url`: the address that redirects of a web server led to",
        group=_ROWS,
    )
    run_columns: tuple[str, ...] = option(
        (),
        "columns that say which run wrote a row: any of run_id, labelled_at, module",
        group=_ROWS,
        metavar="NAME,…",
        convert=names_of("run-columns", RUN_COLUMNS),
        shown="",
    )
    resize: Resize = option(
        "crop",
        "crop: the centre, 87.5 % of the shorter side, averaged; stretch: scale the whole image "
        "to the input size (bilinear)",
        group=_PICTURES,
        choices=get_args(Resize),
    )
    max_image_bytes: int = option(
        Preprocessing.max_bytes,
        "largest encoded image; a larger one becomes an error row",
        group=_PICTURES,
        kind=byte_count,
        metavar="SIZE",
        least=1,
    )
    max_image_pixels: int = option(
        Preprocessing.max_pixels,
        "largest picture in pixels; a larger one becomes an error row",
        group=_PICTURES,
        kind=int,
        metavar="N",
        least=1,
    )
    truncated: Truncation = option(
        "refuse",
        "refuse: a picture that ends early becomes an error row; accept: label what is there",
        group=_PICTURES,
        choices=get_args(Truncation),
    )
    keep: Mapping[str, str] = option(
        dict,
        "copy these columns of tables, files beside images (cls, json.label) or features "
        "of TFRecords to the output; COLUMN=NAME renames one; put INPUT before this option",
        group=_SOURCES,
        nargs="+",
        metavar="COLUMN",
        convert=kept_columns,
    )
    uri_column: str | None = option(
        None,
        "column of a manifest that names the images",
        group=_SOURCES,
        metavar="COLUMN",
        shown="uri",
    )
    root: str | None = option(
        None,
        "folder that relative names in manifests start from; rows then hold the names as written, "
        "so the output stays valid when the folder moves",
        group=_SOURCES,
        metavar="DIR",
        shown="the manifest's folder",
        convert=root_uri,
    )
    check_digest: str | None = option(
        None,
        "column of a manifest with the MD5, SHA-1 or SHA-2 of each image; an image with another "
        "one becomes an error row",
        group=_SOURCES,
        metavar="COLUMN",
    )
    name: str | None = option(
        None,
        "template of the file name for the entries of manifests, such as 'train/{}.jpg'",
        group=_SOURCES,
        metavar="TEMPLATE",
        convert=template,
    )
    exclude: tuple[str, ...] = option(
        (),
        "leave out files and folders whose name matches this glob; a glob with a slash is matched "
        "with the path below the input; put INPUT before this option",
        group=_SOURCES,
        nargs="+",
        metavar="GLOB",
        shown="",
        convert=tuple,
    )
    image_key: str = option(
        MemberSelection.image_key,
        "feature of a TFRecord's Example that holds the image",
        group=_SOURCES,
        metavar="KEY",
    )
    image_column: str | None = option(
        None,
        "column of a Parquet file that holds the images",
        group=_SOURCES,
        metavar="COLUMN",
        shown="the only one that can",
    )
    id_key: str | None = option(
        None,
        "feature or column that names each image",
        group=_SOURCES,
        metavar="KEY",
        shown="its number, such as record=1 or row=1",
    )
    concurrent_reads: int = option(
        Access.concurrent_reads,
        "number of parallel downloads per worker",
        group=_SOURCES,
        kind=int,
        metavar="N",
        least=1,
    )
    read_seconds: float = option(
        Settings.seconds,
        "time limit for one image, retries included; a slower one becomes an error row",
        group=_SOURCES,
        kind=float,
        metavar="S",
        least=1,
    )
    read_attempts: int = option(
        Settings.attempts,
        "number of attempts to read an image",
        group=_SOURCES,
        kind=int,
        metavar="N",
        least=1,
    )
    connections_per_host: int = option(
        Settings.connections_per_host,
        "number of parallel http(s) requests per worker and host",
        group=_SOURCES,
        kind=int,
        metavar="N",
        least=1,
    )
    user_agent: str = option(
        "",
        "User-Agent of http(s) requests; some servers want a contact in it",
        group=_SOURCES,
        metavar="TEXT",
        shown="imagebeam and its version",
        convert=user_agent,
    )
    header: tuple[RequestHeader, ...] = option(
        (),
        "add a header to http(s) requests, for all hosts or one; a secret VALUE is given as "
        "$VARIABLE or @FILE, which each worker reads; put INPUT before this option",
        group=_SOURCES,
        nargs="+",
        metavar="'[HOST] NAME: VALUE'",
        convert=headers,
    )
    allow_private_hosts: bool = option(
        False, "allow http(s) URLs that lead to hosts of your own network", group=_SOURCES
    )
    ignore_opt_outs: bool = option(
        False,
        "label images whose X-Robots-Tag header says noai, noindex or similar",
        group=_SOURCES,
    )
    hide_query: HideQuery = option(
        "secret",
        "parts of a URL's query that rows replace by a digest: values that may be secret, all, or "
        "none; users and passwords are never shown",
        group=_SOURCES,
        choices=HIDE_QUERY,
    )
    limit: int | None = option(
        None, "label only the first N images", group=_JOB, kind=int, metavar="N", least=1
    )
    max_failure_rate: FailureLimit = option(
        ANY_BUT_ALL,
        "exit with code 1 if more images fail than this share, such as 0.05, or this count, such "
        "as 100; stops early if the first 1,000 images show it",
        group=_JOB,
        metavar="LIMIT",
        shown="1.0",
        convert=FailureLimit.parse,
    )
    retry_failed: tuple[str, ...] | None = option(
        None,
        "process failed images again: those with these error codes, or all retryable ones; put "
        "INPUT before this option",
        group=_JOB,
        nargs="*",
        metavar="CODE",
        convert=error_codes,
    )
    check_changed: bool = option(
        False,
        "label images again that were replaced under their names; adds a column `version`: time "
        "and size of local files, versions of objects in buckets",
        group=_JOB,
    )
    overwrite: bool = option(False, "delete the rows of earlier runs first", group=_JOB)
    images_per_shard: int | None = option(
        None,
        "number of images per output file",
        group=_JOB,
        kind=int,
        metavar="N",
        least=1,
        shown="depends on the number of images",
    )
    decode_processes: int | None = option(
        None,
        "number of decoding processes per worker",
        group=_JOB,
        kind=int,
        metavar="N",
        least=1,
        shown="one per core",
    )
    decode_seconds: float = option(
        DecodeLimits.seconds,
        "time limit for reading and decoding one image; a slower one becomes an error row",
        group=_JOB,
        kind=float,
        metavar="S",
        least=1,
    )
    decode_memory: int = option(
        DecodeLimits.memory,
        "memory limit for decoding one image; one that needs more becomes an error row",
        group=_JOB,
        kind=byte_count,
        metavar="SIZE",
        least=1,
    )
    stall_seconds: float = option(
        AbortLimits.stall_seconds,
        "exit with code 3 if no shard is finished for this time",
        group=_JOB,
        kind=float,
        metavar="S",
        least=1,
    )
    detach: bool = option(
        False,
        "submit the job to a cluster and exit; `imagebeam status DIR` shows its progress",
        group=_JOB,
    )
    shared_disk: bool = option(
        False,
        "the workers of a cluster find local files under the same paths as this machine",
        group=_JOB,
    )
    beam_args: tuple[str, ...] = ()
    debug: bool = False

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

    @property
    def access(self) -> Access:
        """Return the settings for reading images."""
        settings = Settings(
            self.read_seconds,
            self.read_attempts,
            self.allow_private_hosts,
            not self.ignore_opt_outs,
            self.connections_per_host,
            user_agent=self.user_agent,
            headers=self.header,
        )
        selection = MemberSelection(self.image_key, self.image_column, self.id_key)
        return Access(settings, self.concurrent_reads, selection, self.hide_query)

    @property
    def listing_rules(self) -> ListingRules:
        """Return the rules of listing and of reading manifest entries."""
        entries = EntryRules(self.uri_column, self.root, self.name, self.check_digest)
        return ListingRules(NameRules(self.exclude), entries)
