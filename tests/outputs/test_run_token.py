import pytest

from imagebeam.outputs.documents import write_document
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.run_token import RunToken, SupersededError
from imagebeam.storage import AnyPath


@pytest.fixture
def layout(root: AnyPath) -> Layout:
    layout = Layout(root)
    layout.job.mkdir(parents=True)
    return layout


def test_an_output_belongs_to_the_latest_run(layout: Layout) -> None:
    assert RunToken.latest(layout) is None
    first, second = RunToken(layout), RunToken(layout)
    first.claim()
    first.check()
    second.claim()
    second.check()
    with pytest.raises(SupersededError, match="a later run has taken it over"):
        first.check()


def test_a_run_records_where_its_job_is(layout: Layout) -> None:
    run = RunToken(layout).at({"job": "j"})
    run.claim()
    assert RunToken.latest(layout) == run
    RunToken(layout, run.id).check()


def test_a_run_of_an_earlier_version_is_read(layout: Layout) -> None:
    write_document(layout.run, {"id": "1", "place": {"job": "j"}})
    assert RunToken.latest(layout) == RunToken(layout, "1", {"job": "j"})


def test_a_run_does_not_write_into_an_output_that_was_cleared(layout: Layout) -> None:
    run = RunToken(layout)
    run.claim()
    layout.run.unlink()
    with pytest.raises(SupersededError):
        run.check()
