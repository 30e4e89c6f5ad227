"""The provenance that every part carries in its metadata: what decided the values of its rows."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

METADATA_KEY = "imagebeam"

JOB = "job"
"""The entry of a provenance with the digest of all that decides the rows of a job."""


def provenance(schema: pa.Schema) -> dict[str, Any]:
    """Return the provenance that a part carries in its metadata.

    Every version writes it into predictions, so a part of these without it comes from an unknown
    job. Earlier versions wrote none into errors.
    """
    stated = (schema.metadata or {}).get(METADATA_KEY.encode())
    if stated is None:
        return {} if "code" in schema.names else {JOB: "unknown"}
    return dict(json.loads(stated))


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
