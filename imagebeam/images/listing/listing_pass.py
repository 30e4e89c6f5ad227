"""The rules of one listing, what its parts share, and the rows of what cannot be listed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from imagebeam.images import uris
from imagebeam.images.containers.errors import ContainerError
from imagebeam.images.errors import UnexpectedListing, UnreadableListing
from imagebeam.images.listed_image import ListedImage
from imagebeam.images.listing.left_out import LeftOut
from imagebeam.images.listing.manifests.entries import Columns, ManifestError
from imagebeam.images.listing.manifests.entry_addresses import EntryRules
from imagebeam.images.listing.names import NameRules
from imagebeam.images.settings import Access
from imagebeam.storage import StoreError
from imagebeam.storage.errors import UnexpectedError, describe_unexpected


@dataclass(frozen=True)
class ListingRules:
    """The rules of a listing: the files that it takes, and how it reads names.

    Attributes:
        names: which names are left out.
        entries: how the entries of manifests are read.
    """

    names: NameRules = field(default_factory=NameRules)
    entries: EntryRules = field(default_factory=EntryRules)


@dataclass(frozen=True)
class ListingPass:
    """One pass over a source.

    Attributes:
        base: address of the folder that relative entries start from.
        access: how files are read.
        keep: columns whose values are copied to the rows, with their types.
        rules: what is taken.
        is_look: whether archives yield their members as soon as they are found.
        left_out: counts what is found and not requested.
        found: is called with the number of further members of an archive that were found, before
            the first of them is yielded.
    """

    base: str
    access: Access
    keep: Columns
    rules: ListingRules
    is_look: bool
    left_out: LeftOut
    found: Callable[[int], object] = lambda number: None

    def shown(self, address: str) -> str:
        """Return an address as rows show it."""
        return uris.without_secrets(address, self.access.hide_query)


def guarded(shown: str, found: Iterator[ListedImage]) -> Iterator[ListedImage]:
    """Yield images, and the reason why there are no more under the name of the whole.

    No exception leaves it: whatever goes wrong in listing becomes an error row.
    """
    try:
        yield from found
    except (ManifestError, ContainerError) as error:
        yield ListedImage(shown, UnreadableListing(str(error)))
    except UnexpectedError as error:
        yield ListedImage(shown, UnexpectedListing(str(error)))
    except StoreError as error:
        yield ListedImage(shown, UnreadableListing(f"it cannot be read: {error}"))
    except OSError as error:
        reason = error.strerror or error
        yield ListedImage(shown, UnreadableListing(f"it cannot be read: {reason}"))
    except Exception as error:
        yield ListedImage(shown, UnexpectedListing(describe_unexpected(error)))
