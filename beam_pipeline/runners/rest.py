"""Call the REST interfaces of engines."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions

if TYPE_CHECKING:
    from requests import Session

_TIMEOUT_SECONDS = 20.0
_MAX_BYTES = 64_000_000


def call(
    url: str,
    method: str = "GET",
    body: Mapping[str, str] | None = None,
    session: "Session | None" = None,
) -> dict[str, Any]:
    """Send a request and return the JSON object of the response; {} if it has no body.

    Args:
        url: the URL to request.
        method: the HTTP method.
        body: sent as JSON; only with a session.
        session: a session with credentials; None sends the request without any.

    Raises:
        OSError: the server does not respond, or responds with an error.
        GoogleAPICallError: likewise, for an error response to a session.
        ValueError: the URL is none, or the response is not a JSON object.
    """
    if session is not None:
        response = session.request(method, url, json=body, timeout=_TIMEOUT_SECONDS)
        if not response.ok:
            raise exceptions.from_http_response(response)
        return _json_object(response.content)
    request = urllib.request.Request(url, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
            return _json_object(answer.read(_MAX_BYTES))
    except OSError:
        raise
    except http.client.InvalidURL as error:
        raise ValueError(str(error)) from error
    except http.client.HTTPException as error:
        # A port that speaks another protocol, such as Flink's own.
        raise ValueError("the response is not one of HTTP") from error


def reason(error: Exception) -> str:
    """Return why a request failed, in few words."""
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(inner, "strerror", None) or inner)


def _json_object(content: bytes) -> dict[str, Any]:
    values = None
    with suppress(ValueError):
        values = json.loads(content or b"{}")
    if not isinstance(values, dict):
        raise ValueError("the response is not a JSON object")  # of the server
    return values
