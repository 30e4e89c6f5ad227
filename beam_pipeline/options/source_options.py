"""The options that say where images come from and how they are reached."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from imagebeam.beam_pipeline.options.declaration import option
from imagebeam.beam_pipeline.options.values import (
    globs,
    headers,
    kept_columns,
    root_uri,
    template,
    user_agent,
)
from imagebeam.images.containers.types import MemberSelection
from imagebeam.images.listing.listing_pass import ListingRules
from imagebeam.images.listing.manifests.entry_addresses import EntryRules
from imagebeam.images.listing.names import NameRules
from imagebeam.images.settings import Access
from imagebeam.storage import Settings
from imagebeam.storage.secrets import HideQuery
from imagebeam.storage.types import RequestHeader

_source = partial(option, group="archives and remote storage")


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The options of sources; each field is the option of the same name."""

    keep: Mapping[str, str] = _source(
        dict,
        "copy these columns of tables, files beside images (cls, json.label) or features "
        "of TFRecords to the output; COLUMN=NAME renames one; put INPUT before this option",
        nargs="+",
        metavar="COLUMN",
        convert=kept_columns,
    )
    uri_column: str | None = _source(
        None, "column of a manifest that names the images", metavar="COLUMN", shown="uri"
    )
    root: str | None = _source(
        None,
        "folder that relative names in manifests start from; rows then hold the names as written, "
        "so the output stays valid when the folder moves",
        metavar="DIR",
        shown="the manifest's folder",
        convert=root_uri,
    )
    check_digest: str | None = _source(
        None,
        "column of a manifest with the MD5, SHA-1 or SHA-2 of each image; an image with another "
        "one becomes an error row",
        metavar="COLUMN",
    )
    name: str | None = _source(
        None,
        "template of the file name for the entries of manifests, such as 'train/{}.jpg'",
        metavar="TEMPLATE",
        convert=template,
    )
    exclude: tuple[str, ...] = _source(
        (),
        "leave out files, folders and entries of manifests whose name matches this glob; a glob "
        "with a slash is matched with the path below the input; put INPUT before this option",
        nargs="+",
        metavar="GLOB",
        shown="",
        convert=globs,
    )
    image_key: str = _source(
        MemberSelection.image_key,
        "feature of a TFRecord's Example that holds the image",
        metavar="KEY",
    )
    image_column: str | None = _source(
        None,
        "column of a Parquet file that holds the images",
        metavar="COLUMN",
        shown="the only one that can",
    )
    id_key: str | None = _source(
        None,
        "feature or column that names each image",
        metavar="KEY",
        shown="its number, such as record=1 or row=1",
    )
    concurrent_reads: int = _source(
        Access.concurrent_reads, "number of parallel downloads per worker"
    )
    read_seconds: float = _source(
        Settings.seconds,
        "time limit for one image, retries included; a slower one becomes an error row",
    )
    read_attempts: int = _source(Settings.attempts, "number of attempts to read an image")
    connections_per_host: int = _source(
        Settings.connections_per_host, "number of parallel http(s) requests per worker and host"
    )
    user_agent: str = _source(
        "",
        "User-Agent of http(s) requests; some servers want a contact in it",
        metavar="TEXT",
        shown="imagebeam and its version",
        convert=user_agent,
    )
    header: tuple[RequestHeader, ...] = _source(
        (),
        "add a header to http(s) requests, for all hosts or one; a secret VALUE is given as "
        "$VARIABLE or @FILE, which each worker reads; put INPUT before this option",
        nargs="+",
        metavar="'[HOST] NAME: VALUE'",
        convert=headers,
    )
    allow_private_hosts: bool = _source(
        False, "allow http(s) URLs that lead to hosts of your own network"
    )
    ignore_opt_outs: bool = _source(
        False, "label images whose X-Robots-Tag header says noai, noindex or similar"
    )
    hide_query: HideQuery = _source(
        "secret",
        "parts of a URL's query that rows replace by a digest: values that may be secret, all, or "
        "none; users and passwords are never shown",
    )

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
