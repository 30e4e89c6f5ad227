import numpy as np

from imagebeam.evaluation.confusion import Confusion, Mistake

_SCORES = np.array(
    [[0.75, 0.25, 0], [0.25, 0.75, 0], [0, 0.5, 0.25], [0, 1, 0], [0.125, 0, 0.875]], np.float32
)
_CONFUSION = Confusion.of(
    ("cat", "dog", "fish"),
    ["1.jpg", "2.jpg", "a, b.jpg", "4.jpg", "5.jpg"],
    np.array([0, 1, 2, 2, 0]),
    _SCORES,
)


def test_images_are_counted_by_class_and_prediction() -> None:
    assert _CONFUSION.counts.tolist() == [[1, 0, 1], [0, 1, 0], [0, 2, 0]]
    assert (_CONFUSION.correct, _CONFUSION.images) == (2, 5)
    assert _CONFUSION.most_confused() == [("fish", "dog", 2), ("cat", "fish", 1)]


def test_the_surest_mistakes_come_first() -> None:
    assert _CONFUSION.mistakes == (
        Mistake("4.jpg", "fish", "dog", 1.0),
        Mistake("5.jpg", "cat", "fish", 0.875),
        Mistake("a, b.jpg", "fish", "dog", 0.5),
    )
    assert _CONFUSION.to_csv() == (
        "image,label,predicted,score\n"
        "4.jpg,fish,dog,1.0000\n"
        "5.jpg,cat,fish,0.8750\n"
        '"a, b.jpg",fish,dog,0.5000\n'
    )
