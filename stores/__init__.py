"""Bytes by name: local files, Google Cloud Storage, S3 and the web, behind one set of verbs."""

from stores.errors import StoreError, UnwritableName
from stores.location import AnyPath, Location, location
from stores.opening import SCHEMES, store_for
from stores.records import ObjectInfo, Settings, Store

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
