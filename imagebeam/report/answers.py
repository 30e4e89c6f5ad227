"""Answer the requests of a served page: pages of rows, lists to save, pictures by row."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imagebeam.escape_control_chars import escape_control_chars
from imagebeam.outputs.exports.table import spreadsheet_cell
from imagebeam.report.accuracy import Accuracy
from imagebeam.report.contents import Contents
from imagebeam.report.data import RowList, picture
from imagebeam.report.page import render
from imagebeam.report.picture_reader import PictureReader
from imagebeam.report.row_index import SORTS, Question, RowIndex

_PER_PAGE = 60
_CHUNK_ROWS = 4096
_FAILED = {"name": "uri", "message": "message"}
_POLICY = {"img-src": "'self' data:", "connect-src": "'self'"}
_NOTE = (
    "Pictures are read when they are shown. This page is served by a program on this machine; it "
    "works for as long as that runs."
)


class Answers:
    """The requests that the page may send."""

    def __init__(
        self, contents: Contents, images: RowIndex, failures: RowIndex, accuracy: Accuracy | None
    ) -> None:
        self._images = images
        self._failures = failures
        self._reader = PictureReader()
        lists = {
            "images": RowList(images.total, images.total, is_served=True),
            "failures": RowList(failures.total, failures.total, is_served=True),
        }
        self.page = render(
            contents, {}, lists, sources=_POLICY, pictures_note=_NOTE, accuracy=accuracy
        ).encode()

    def pictures(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of pictures."""
        places = self._images.find(_question(given))
        start = _first(given.get("page"), len(places))
        rows = self._images.rows(places[start : start + _PER_PAGE])
        return {"found": len(places), "items": [picture(row) for row in rows]}

    def failed(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the failed images with a code."""
        places = self._failures.find(Question(label=given.get("code", "")))
        start = _first(given.get("errors"), len(places))
        rows = self._failures.rows(places[start : start + _PER_PAGE])
        items = [
            {name: escape_control_chars(row[key]) for name, key in _FAILED.items()} for row in rows
        ]
        return {"found": len(places), "items": items}

    def lines(self, given: Mapping[str, str]) -> Iterator[str]:
        """Yield the paths of all pictures that are wanted, one per line."""
        for rows in self._wanted(given):
            yield "".join(f"{row['uri']}\n" for row in rows)

    def table(self, given: Mapping[str, str]) -> Iterator[str]:
        """Yield a CSV file with all pictures that are wanted."""
        yield "uri,label,score\n"
        for rows in self._wanted(given):
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
            for row in rows:
                writer.writerow(map(spreadsheet_cell, (row["uri"], row["label"], row["score"])))
            yield text.getvalue()

    def thumbnail(self, place: int) -> tuple[bytes, str]:
        """Return a small copy of a picture, and its media type."""
        return self._reader.thumbnail(self._images.uri(place)), "image/webp"

    def original(self, place: int) -> tuple[bytes, str]:
        """Return a picture as it is, and its media type."""
        return self._reader.original(self._images.uri(place))

    def close(self) -> None:
        """End the decoding processes."""
        self._reader.close()

    def _wanted(self, given: Mapping[str, str]) -> Iterator[Sequence[Mapping[str, Any]]]:
        places = self._images.find(_question(given))
        for start in range(0, len(places), _CHUNK_ROWS):
            yield self._images.rows(places[start : start + _CHUNK_ROWS])


def _question(given: Mapping[str, str]) -> Question:
    """Return the question that the choices on a page stand for; raise ValueError for others."""
    sort, year = given.get("sort", ""), given.get("year", "")
    if sort and sort not in SORTS:
        raise ValueError(f"sort {sort!r}")
    return Question(
        given.get("class", ""),
        given.get("folder", ""),
        str(int(year)) if year else "",
        given.get("name", ""),
        round(1000 * min(max(float(given.get("from") or 0), 0), 1)),
        sort,
    )


def _first(page: str | None, found: int) -> int:
    """Return the first row of a page, or of the first page; raise ValueError for no number."""
    start = (int(page or 1) - 1) * _PER_PAGE
    return start if 0 <= start < found else 0
