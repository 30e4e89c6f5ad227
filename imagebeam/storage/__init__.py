"""Objects by URI: local files, Google Cloud Storage, S3 and the web, behind one interface."""

from imagebeam.storage.errors import StoreError, UnwritableName
from imagebeam.storage.location import AnyPath, Location, location
from imagebeam.storage.registry import SCHEMES, store_for
from imagebeam.storage.types import ObjectInfo, Settings, Store

__all__ = [
    "SCHEMES",
    "AnyPath",
    "Location",
    "ObjectInfo",
    "Settings",
    "Store",
    "StoreError",
    "UnwritableName",
    "location",
    "store_for",
]
