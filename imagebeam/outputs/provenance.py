"""The provenance that every part carries in its metadata: what decided the values of its rows."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

METADATA_KEY = "imagebeam"

JOB = "job"
"""The entry of a provenance with the digest of all that decides the rows of a job."""


def stated_provenance(schema: pa.Schema) -> dict[str, Any]:
    """Return the provenance in the metadata of a table; {} if it has none."""
    return dict(json.loads((schema.metadata or {}).get(METADATA_KEY.encode(), b"{}")))


def provenance(schema: pa.Schema) -> dict[str, Any]:
    """Return the provenance of a part.

    Every version writes it into predictions, so a part of these without it comes from an unknown
    job. Earlier versions wrote none into errors.
    """
    is_unknown = METADATA_KEY.encode() not in (schema.metadata or {}) and "code" not in schema.names
    return {JOB: "unknown"} if is_unknown else stated_provenance(schema)


def provenance_differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Return how a part differs from a job in what the values of its rows depend on.

    Args:
        found: the provenance of the part. Parts of earlier versions state less; what a part does
            not state is no difference.
        expected: the provenance of the job, or its identity.
    """
    found, wanted = ({**values, **values.get("preprocessing", {})} for values in (found, expected))

    def differences(*names: str) -> list[str]:
        return [
            f"{name.replace('_', ' ')} {found[name]}, not {wanted[name]}"
            for name in names
            if name in found and name in wanted and found[name] != wanted[name]
        ]

    # The digest covers the others, but says less to a person.
    return differences("module_digest", "engine", "image_size", "resize") or differences(JOB)
