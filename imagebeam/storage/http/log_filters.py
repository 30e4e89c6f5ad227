"""Keep secrets of URLs out of what urllib3 logs."""

import logging
import re


def keep_queries_out_of_logs() -> None:
    """Keep what urllib3 logs about URLs free of queries, which hold the secret of signed URLs.

    Adding a filter twice has no effect.
    """
    logging.getLogger("urllib3.connectionpool").addFilter(_without_queries)
    logging.getLogger("urllib3.connection").addFilter(_not_about_headers)


_QUERY = re.compile(r"\?.*")


def _without_queries(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(
            _QUERY.sub("?…", arg) if isinstance(arg, str) else arg for arg in record.args
        )
    return True


def _not_about_headers(record: logging.LogRecord) -> bool:
    # Broken headers of untrusted servers are common, and the warning shows the whole URL.
    return not str(record.msg).startswith("Failed to parse headers")
