"""The credentials of outputs, as the libraries of tables take them.

Those libraries have clients of their own. Here they get what our stores would use: the profiles,
roles and servers that boto3 finds. Google's they find themselves, except an emulator.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

from imagebeam.storage import AnyPath, Location, Settings, uris


def delta_options(place: AnyPath, attempts: int = Settings.attempts) -> dict[str, str]:
    """Return the options with which `deltalake` reaches a table."""
    if not isinstance(place, Location):
        return {}
    retries = {"max_retries": str(attempts - 1), "retry_timeout": f"{Settings.seconds:g}s"}
    if uris.scheme(str(place)) == "s3":
        found = _s3()
        options = {
            "aws_endpoint_url": found.get("endpoint"),
            "aws_region": found.get("region"),
            "aws_access_key_id": found.get("key"),
            "aws_secret_access_key": found.get("secret"),
            "aws_session_token": found.get("token"),
            "aws_allow_http": "true" if _is_plain_http(found.get("endpoint")) else None,
            "aws_skip_signature": None if "key" in found else "true",
            # Two commits must not write the same version of the log.
            "aws_conditional_put": "etag",
        }
        return retries | {name: value for name, value in options.items() if value}
    if emulator := os.environ.get("STORAGE_EMULATOR_HOST"):
        return retries | _gcs_emulator(emulator)
    return retries


def _gcs_emulator(address: str) -> dict[str, str]:
    """Return options that name an emulator, which the library takes from a key file only."""
    names = ("client_email", "private_key", "private_key_id")
    key = {"gcs_base_url": address, "disable_oauth": True, **dict.fromkeys(names, "")}
    plain = {"allow_http": "true"} if _is_plain_http(address) else {}
    return {"google_service_account_key": json.dumps(key), **plain}


def iceberg_properties(configured: Mapping[str, Any]) -> dict[str, str]:
    """Return the properties with which `pyiceberg` reaches the files of a catalogue's tables.

    Args:
        configured: properties that the user gave the catalogue; they count more.
    """
    # boto3 takes a while to find credentials.
    is_local = str(configured.get("warehouse", "")).startswith(("/", "file:"))
    found = {} if is_local else _s3()
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    properties = {
        "s3.endpoint": found.get("endpoint"),
        "s3.region": found.get("region"),
        "s3.access-key-id": found.get("key"),
        "s3.secret-access-key": found.get("secret"),
        "s3.session-token": found.get("token"),
        "gcs.service.host": emulator,
        # An emulator wants none, but without any the library looks for real credentials.
        "gcs.oauth2.token": "emulator" if emulator else None,
        "gcs.oauth2.token-expires-at": "4102444800000" if emulator else None,
    }
    if any(name.startswith("s3.") for name in configured):
        # A key belongs to its endpoint.
        properties = dict.fromkeys(properties)
    return {name: value for name, value in properties.items() if value and name not in configured}


def _s3() -> dict[str, str]:
    """Return endpoint, region and keys of S3 as boto3 finds them; nothing without boto3."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return {}
    try:
        session = boto3.session.Session()
        region = session.region_name or "us-east-1"
        keys = session.get_credentials()
        frozen = None if keys is None else keys.get_frozen_credentials()
        endpoint = session.client("s3", region).meta.endpoint_url
    except BotoCoreError:
        return {}
    found = {"region": region, "endpoint": "" if ".amazonaws.com" in endpoint else endpoint}
    if frozen is not None:
        found |= {"key": frozen.access_key, "secret": frozen.secret_key, "token": frozen.token}
    return {name: value for name, value in found.items() if value}


def _is_plain_http(endpoint: str | None) -> bool:
    return endpoint is not None and endpoint.startswith("http://")
