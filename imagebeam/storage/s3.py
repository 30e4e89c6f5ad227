"""S3, and servers with the same protocol."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from urllib3.exceptions import HTTPError

from imagebeam.extras import install_command
from imagebeam.storage.buckets import BucketStore, Content, Page
from imagebeam.storage.errors import (
    Denied,
    Missing,
    NoCredentials,
    ServerFailed,
    StoreError,
    Throttled,
    Unsupported,
    WrongChecksum,
    WrongLength,
)
from imagebeam.storage.http.connection_errors import translate_error
from imagebeam.storage.http.connections import (
    CONNECT_SECONDS,
    CONNECTIONS,
    timed_pools,
    use_timed_pools,
)
from imagebeam.storage.http.responses import check_version, error_of, read_body
from imagebeam.storage.types import ObjectInfo

try:
    import boto3
    from botocore import UNSIGNED
    from botocore import exceptions as boto
    from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
    from botocore.config import Config
    from botocore.parsers import ResponseParserError
except ImportError:
    raise Unsupported(f"s3:// needs boto3; run `{install_command('s3')}`") from None

_POOLS = timed_pools(AWSHTTPConnectionPool, AWSHTTPSConnectionPool)

_MD5 = re.compile(r'"([0-9a-f]{32})"')

_MARKER = "marker "
"""Begins the token of a page that starts behind a name."""

_LISTING = {"Contents", "IsTruncated", "KeyCount", "MaxKeys", "Name"}
"""Fields of which every listing has some, also that of an empty bucket."""

_UNREADABLE = (ResponseParserError, LookupError, TypeError, ValueError, RecursionError)
"""Errors of the client where a field is missing or odd, a proxy answers, or redirects circle."""

_NO_CONDITIONS = ("NotImplemented", "MethodNotAllowed", "InvalidArgument", "InvalidRequest")
"""Error codes of servers that do not support conditional writes."""

_NO_CREDENTIALS = (
    "no credentials for S3 were found, and it is not public; looked at AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY, the profiles in ~/.aws, and what the machine is. "
    "Run `aws configure`"
)


class S3Store(BucketStore[Any]):
    """Objects of S3. An object's version is its ETag.

    Credentials and endpoint are found as boto3 finds them. Without credentials, public objects can
    be read.
    """

    def _connect(self) -> Any:
        session = boto3.session.Session()
        if session.get_credentials() is None:
            self.no_credentials = _NO_CREDENTIALS
        client = session.client(
            "s3",
            config=Config(
                signature_version=UNSIGNED if self.no_credentials else None,
                max_pool_connections=CONNECTIONS,
                connect_timeout=CONNECT_SECONDS,
                read_timeout=self._settings.seconds,
                retries={"total_max_attempts": 1},
            ),
        )
        client.meta.events.register("before-sign.s3.PutObject", _without_expect)
        use_timed_pools(client, _POOLS)
        return client

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except boto.ClientError as error:
            raise _error_of(error) from None
        except boto.ParamValidationError:
            raise Missing("no bucket or object can have such a name") from None
        except boto.IncompleteReadError:
            raise WrongLength("fewer bytes arrived than were announced") from None
        except boto.FlexibleChecksumError:
            raise WrongChecksum("the bytes are not those that were stored") from None
        except (boto.HTTPClientError, boto.ConnectionError, HTTPError, OSError) as error:
            raise translate_error(error) from None
        except (boto.PartialCredentialsError, boto.ProfileNotFound) as error:
            raise NoCredentials(str(error)) from None
        except _UNREADABLE as error:
            raise ServerFailed(f"the answer is not one of S3 ({type(error).__name__})") from None
        except boto.BotoCoreError as error:
            kind = type(error).__name__
            raise NoCredentials(f"boto3 cannot be used as it is set up here ({kind})") from None

    def _look(self, bucket: str, name: str) -> ObjectInfo:
        response = self._client.head_object(Bucket=bucket, Key=name)
        return _info(bucket, name, response["ContentLength"], response)

    def _read(self, bucket: str, name: str, max_bytes: int, part: str, version: str) -> Content:
        options = {"Range": part} if part else {}
        if version:
            options["IfMatch"] = version
        try:
            response = self._client.get_object(Bucket=bucket, Key=name, **options)
        except boto.ClientError as error:
            if part and _status(error.response) == 416:
                return b"", None
            raise
        with closing(response["Body"]) as body:
            if _status(response) != (206 if part else 200):
                raise error_of(_status(response))
            check_version(_version(response) or version, version)
            data = read_body(body, str(response.get("ContentLength")), max_bytes)
        expected = None if part else _md5(bucket, response)
        if expected and expected != hashlib.md5(data).hexdigest():
            raise WrongChecksum("the bytes are not those that were stored (MD5)")
        return data, response.get("ContentEncoding")

    def _page(self, bucket: str, start: str, token: str) -> Page:
        where = {"Bucket": bucket, "Prefix": start}
        if token.startswith(_MARKER):
            response = self._client.list_objects(**where, Marker=token.removeprefix(_MARKER))
        else:
            where |= {"ContinuationToken": token} if token else {}
            response = self._client.list_objects_v2(**where)
        if not response.keys() & _LISTING:
            raise ServerFailed("the answer is no listing of a bucket")
        found = response.get("Contents", ())
        page = [_info(bucket, each["Key"], each["Size"], each) for each in found]
        following = response.get("NextContinuationToken")
        if following is None and response.get("IsTruncated"):
            # A server that knows only the first version of this request goes on behind a name.
            following = _MARKER + found[-1]["Key"]
        if following == token or not all(each["Key"].startswith(start) for each in found):
            raise ServerFailed("the listing repeats itself, or has names that were not asked for")
        return page, following

    def _write(
        self, bucket: str, name: str, data: bytes, kind: str, if_version: str | None
    ) -> None:
        condition = {}
        if if_version is not None:
            condition = {"IfMatch": if_version} if if_version else {"IfNoneMatch": "*"}
        try:
            self._client.put_object(
                Bucket=bucket, Key=name, Body=data, ContentType=kind, **condition
            )
        except boto.ClientError as error:
            if if_version and _code(error) == "NoSuchKey":
                raise error_of(412) from None
            if condition and (
                _code(error) in _NO_CONDITIONS or _status(error.response) in (405, 501)
            ):
                raise Unsupported("the server has no conditional writes") from None
            raise

    def _remove(self, bucket: str, name: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=name)


def _without_expect(request: Any, **_: Any) -> None:
    # While the client waits for "100 Continue", it keeps no deadline.
    # These headers are an email.message.Message: deleting one that is missing does nothing.
    del request.headers["Expect"]


def _status(response: Any) -> int:
    return int(response["ResponseMetadata"]["HTTPStatusCode"])


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _info(bucket: str, name: str, size: int, facts: Mapping[str, Any]) -> ObjectInfo:
    written = facts.get("LastModified")
    return ObjectInfo(
        f"s3://{bucket}/{name}", size, _version(facts), written and written.timestamp()
    )


def _version(facts: Mapping[str, Any]) -> str:
    # Some servers call the same version weak in one answer and strong in another.
    return str(facts.get("ETag", "")).removeprefix("W/")


def _md5(bucket: str, response: Any) -> str | None:
    """Return an object's MD5: its ETag, unless it was uploaded in parts or is encrypted."""
    encrypted = response.get("ServerSideEncryption", "AES256") != "AES256"
    # Buckets with this suffix lie in one zone; ETags of their objects are no checksums.
    if encrypted or "SSECustomerAlgorithm" in response or bucket.endswith("--x-s3"):
        return None
    match = _MD5.fullmatch(response.get("ETag", ""))
    return match[1] if match else None


def _error_of(error: Any) -> StoreError:
    match _code(error):
        case "NoSuchBucket":
            return Missing("there is no such bucket")
        case "NoSuchKey":
            return Missing("there is no such object")
        case "PermanentRedirect" | "TemporaryRedirect" | "AuthorizationHeaderMalformed" | "301":
            return Denied(
                "the bucket is in another region or at another address; set AWS_DEFAULT_REGION or "
                "AWS_ENDPOINT_URL_S3"
            )
        case "InvalidObjectState":
            return Denied("it is archived; restore it first")
        case "RequestTimeTooSkewed":
            return Denied("the clock of this machine is wrong")
        case "ExpiredToken" | "InvalidToken" | "InvalidAccessKeyId" | "SignatureDoesNotMatch":
            return Denied("the credentials that were found are not valid; renew them")
        case "400":
            # An answer without a body, to a look at an object, does not say which.
            return Denied(
                "the server refuses the request (status 400): renew the credentials, or set "
                "AWS_DEFAULT_REGION to the bucket's region"
            )
        case "SlowDown" | "RequestLimitExceeded" | "Throttling":
            return Throttled("the server asks for fewer requests")
        case "RequestTimeout" | "InternalError":
            return ServerFailed("the server asks for another try")
    return error_of(_status(error.response))
