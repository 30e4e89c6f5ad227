from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from results.account import Plan, uri_digest
from results.layout import Format, Layout
from results.parts import write_part
from results.schema import PredictionSchema
from transforms.records import ImageRef
from transforms.skip_done import SkipDone


def _output(root: Path, kind: Format) -> Layout:
    """An output in which an earlier run labelled old-1 and old-2, and failed on broken."""
    layout = Layout(root, kind)
    layout.predictions.mkdir()
    layout.errors.mkdir()
    schema = PredictionSchema((), 0, None, {})
    errors = schema.errors([("broken", "decode", "corrupt", "…", False, ())])
    write_part(layout, "1", pa.table({"uri": ["old-1"]}), schema.errors([]))
    write_part(layout, "2", pa.table({"uri": ["old-2"]}), errors)
    return layout


@pytest.mark.parametrize("kind", ["parquet", "tfrecord"])
def test_only_what_has_no_row_remains_and_every_ref_is_counted(
    tmp_path: Path, kind: Format
) -> None:
    refs = [
        ImageRef("new", 0, 5),
        ImageRef("twice", 1, 0),
        ImageRef("twice", 0, 7),
        ImageRef("old-1", 0, 1),
        ImageRef("old-1", 0, 2),
        ImageRef("broken", 0, 3),
    ]
    names = ("new", "twice", "old-1", "old-2", "broken")
    plan = Plan(
        requested=6,
        duplicates=2,
        already_labelled=1,
        already_failed=1,
        to_do=2,
        rows=5,
        rows_digest=sum(map(uri_digest, names)) % 2**128,
    )
    with beam.Pipeline(FnApiRunner()) as pipeline:
        to_do, plans, _ = pipeline | beam.Create(refs) | SkipDone(_output(tmp_path, kind))
        assert_that(to_do, equal_to([ImageRef("new", 0, 5), ImageRef("twice", 0, 7)]), "to do")
        assert_that(plans, equal_to([plan]), "plan")


def test_a_new_output_leaves_everything_to_do(tmp_path: Path) -> None:
    refs = [ImageRef("a", 0, 0), ImageRef("b", 0, 1)]
    with beam.Pipeline(FnApiRunner()) as pipeline:
        to_do, _, _ = pipeline | beam.Create(refs) | SkipDone(Layout(tmp_path))
        assert_that(to_do, equal_to(refs))
