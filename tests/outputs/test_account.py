import hashlib
import itertools
import json
import os
from dataclasses import asdict, fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebeam.outputs.account import Plan, Tally, read_plan, uri_digest
from imagebeam.outputs.errors import AccountError
from imagebeam.outputs.layout import Layout
from imagebeam.outputs.summary import read_summary, summarise, write_summary

plans = st.builds(Plan, *[st.integers(0, 1 << 40)] * 6, st.integers(0, (1 << 128) - 1))
# Sums of sixty-fourths are exact in any order; the test is that they are added.
seconds = st.integers(0, 1000).map(lambda each: each / 64)
costs = st.dictionaries(st.sampled_from("abc"), st.tuples(seconds, seconds))
tallies = st.builds(
    Tally,
    st.integers(0, 99),
    st.integers(0, 99),
    st.dictionaries(st.sampled_from("xyz"), st.integers(1, 99)),
    costs,
)
checked = settings(max_examples=100)


class TestSums:
    @given(st.lists(plans, max_size=5), st.integers(0, 5))
    @checked
    def test_plans_can_be_added_in_any_grouping_and_order(
        self, parts: list[Plan], cut: int
    ) -> None:
        whole = Plan.total(parts)
        assert Plan.total([Plan.total(parts[:cut]), Plan.total(parts[cut:])]) == whole
        assert Plan.total(reversed(parts)) == whole
        assert whole.requested == sum(part.requested for part in parts)
        assert whole.rows_digest == sum(part.rows_digest for part in parts) % (1 << 128)

    @given(st.lists(tallies, max_size=5), st.integers(0, 5))
    @checked
    def test_tallies_can_be_added_in_any_grouping_and_order(
        self, parts: list[Tally], cut: int
    ) -> None:
        whole = Tally.total(parts)
        assert Tally.total([Tally.total(parts[:cut]), Tally.total(parts[cut:])]) == whole
        assert Tally.total(reversed(parts)) == whole

    def test_every_field_is_added(self) -> None:
        one = Plan(1, 2, 3, 4, 5, 6, 7, {"list": (0.5, 0.25)}, 8, {"hidden": (9, ("b", "a"))})
        costs = {"list": (1.0, 0.5)}
        doubled = Plan(2, 4, 6, 8, 10, 12, 14, costs, 16, {"hidden": (18, ("a", "b"))})
        assert Plan.total([one, one]) == doubled
        first = Tally(1, 2, {"a": 1, "b": 2}, {"decode": (0.5, 0.25)})
        second = Tally(3, 4, {"b": 5, "c": 6}, {"decode": (0.25, 0.5), "write": (1.0, 0.0)})
        spent = {"decode": (0.75, 0.75), "write": (1.0, 0.0)}
        expected = Tally(4, 6, {"a": 1, "b": 7, "c": 6}, spent)
        assert Tally.total([first, second]) == expected

    def test_digests_stay_within_their_bits(self) -> None:
        largest, two = Plan(rows_digest=(1 << 128) - 1), Plan(rows_digest=2)
        assert Plan.total([largest, two]).rows_digest == 1

    def test_the_total_of_nothing_is_empty(self) -> None:
        assert Plan.total([]) == Plan()
        assert Tally.total([]) == Tally()


class TestDigest:
    def test_it_is_blake2b_of_the_names_bytes(self) -> None:
        expected = hashlib.blake2b("ö.jpg".encode(), digest_size=16).hexdigest()
        assert f"{uri_digest('ö.jpg'):032x}" == expected

    def test_sums_differ_for_different_sets_of_names(self) -> None:
        names = [f"{letter}.jpg" for letter in "abcdefgh"]
        sums = {
            sum(map(uri_digest, chosen)) % (1 << 128)
            for size in range(9)
            for chosen in itertools.combinations(names, size)
        }
        assert len(sums) == 1 << 8


PLAN = Plan(
    requested=20,
    seen=22,
    left_out={"hidden": (2, ("/a/.b.jpg",))},
    duplicates=3,
    already_labelled=4,
    already_failed=2,
    to_do=11,
    rows=18,
    rows_digest=255,
    costs={"list": (0.5, 0.25)},
)
TALLY = Tally(2, 8, {"truncated": 1, "corrupt": 2}, {"decode": (1.23456, 1.0), "infer": (2.0, 1.5)})


class TestSummary:
    def test_a_correct_summary_has_every_field(self) -> None:
        in_output = {"truncated": 1, "corrupt": 3, "not_found": 1}
        assert summarise(PLAN, TALLY, {"module": "m"}, {"start": (1.0, 0.75)}, in_output) == {
            "output": {
                "rows": 18,
                "labelled": 13,
                "failed": 5,
                "failed_by_code": {"corrupt": 3, "not_found": 1, "truncated": 1},
            },
            "run": {
                "requested": 20,
                "duplicates": 3,
                "already_done": 6,
                "labelled": 8,
                "failed": 3,
                "failed_by_code": {"corrupt": 2, "truncated": 1},
            },
            "requested": 20,
            "labelled": 8,
            "failed": 3,
            "already_done": 6,
            "duplicates": 3,
            "failed_by_code": {"corrupt": 2, "truncated": 1},
            "already_labelled": 4,
            "already_failed": 2,
            "left_out": {"hidden": {"count": 2, "examples": ["/a/.b.jpg"]}},
            "shards": 2,
            "rows": 18,
            "rows_digest": "000000000000000000000000000000ff",
            "stages": {
                "start": {"wall_seconds": 1.0, "cpu_seconds": 0.75},
                "list": {"wall_seconds": 0.5, "cpu_seconds": 0.25},
                "decode": {"wall_seconds": 1.235, "cpu_seconds": 1.0},
                "infer": {"wall_seconds": 2.0, "cpu_seconds": 1.5},
            },
            "module": "m",
        }

    @pytest.mark.parametrize("more", [-1, 1])
    @pytest.mark.parametrize(
        "name", ["requested", "duplicates", "already_labelled", "already_failed"]
    )
    def test_an_image_too_few_or_too_many_is_an_error(self, name: str, more: int) -> None:
        plan = Plan(**asdict(PLAN) | {name: getattr(PLAN, name) + more})
        with pytest.raises(AccountError, match="are accounted for"):
            summarise(plan, TALLY, {})

    @pytest.mark.parametrize("seen", [21, 23])
    def test_an_entry_that_is_neither_requested_nor_left_out_is_an_error(self, seen: int) -> None:
        with pytest.raises(AccountError, match="20 were requested and 2 left out"):
            summarise(Plan(**asdict(PLAN) | {"seen": seen}), TALLY, {})

    @pytest.mark.parametrize("tally", [Tally(2, 7, TALLY.failed), Tally(2, 8, {"corrupt": 4})])
    def test_a_row_too_few_or_too_many_is_an_error(self, tally: Tally) -> None:
        with pytest.raises(AccountError):
            summarise(PLAN, tally, {})

    def test_the_error_states_the_counts(self) -> None:
        with pytest.raises(AccountError) as caught:
            summarise(PLAN, Tally(2, 7, {"corrupt": 3}), {})
        assert str(caught.value) == (
            "20 images were requested but 19 are accounted for (7 labelled, 3 failed, 6 already "
            "done, 3 duplicates). Run the same command again to resume."
        )

    def test_written_and_read(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path)
        with pytest.raises(FileNotFoundError):
            read_summary(layout)
        summary = summarise(PLAN, TALLY, {"module": "/ö"})
        write_summary(layout, summary)
        assert read_summary(layout) == summary
        assert "/ö" in layout.summary.read_text(encoding="utf-8")

    def test_a_module_path_that_is_not_utf8_can_be_written(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path)
        odd = os.fsdecode(b"/\xff/module")
        write_summary(layout, {"module": odd})
        assert json.loads(layout.summary.read_bytes().decode("utf-8")) == {"module": odd}


class TestPlan:
    def test_written_and_read(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path)
        layout.job.mkdir()
        assert read_plan(layout) is None
        PLAN.write(layout)
        assert read_plan(layout) == PLAN
        largest = Plan(rows_digest=(1 << 128) - 1)
        largest.write(layout)
        assert read_plan(layout) == largest

    def test_its_digest_is_as_in_the_summary(self, tmp_path: Path) -> None:
        layout = Layout(tmp_path)
        layout.job.mkdir()
        PLAN.write(layout)
        written = json.loads(layout.plan.read_text())
        assert sorted(written) == sorted(entry.name for entry in fields(Plan))
        assert written["rows_digest"] == summarise(PLAN, TALLY, {})["rows_digest"]
