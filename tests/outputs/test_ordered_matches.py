import itertools
import random

import pytest

from imagebeam.outputs.ordered_matches import Match, by_score


@pytest.mark.parametrize("at_once", [1, 2, 3, 4, 5, 99])
def test_the_highest_score_comes_first_and_equal_ones_by_name(at_once: int) -> None:
    ordered = [Match(0.5, "/a\n.jpg"), Match(0.5, "/b.jpg"), Match(0.25, "/a.jpg"), Match(0, "/é")]
    for matches in itertools.permutations(ordered):
        assert list(by_score(matches, at_once)) == ordered


def test_many_matches_are_in_the_same_order_whatever_fits_in_memory() -> None:
    draw = random.Random(1)
    matches = [Match(draw.randrange(9) / 8, f"/{name}.jpg") for name in range(1000)]
    found = list(by_score(matches, 100))
    assert found == list(by_score(reversed(matches), 7))
    assert len(set(found)) == 1000
    assert [match.score for match in found] == sorted(each.score for each in matches)[::-1]
