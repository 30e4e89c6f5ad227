from imagebeam.transforms.lookahead import Lookahead


def test_the_oldest_shard_is_taken_once_enough_shards_are_behind_it() -> None:
    lookahead = Lookahead[str](shards=2)
    taken = []
    for name in "abcd":
        lookahead.add(10, name)
        taken.append(list(lookahead.ready(0)))
    assert taken == [[], [], ["a"], ["b"]]
    assert list(lookahead.drain()) == ["c", "d"]
    assert list(lookahead.drain()) == []


def test_the_shards_behind_it_must_have_enough_images() -> None:
    lookahead = Lookahead[str](shards=1)
    taken = []
    for name, images in (("a", 10), ("b", 10), ("c", 10), ("d", 10), ("e", 100), ("f", 1)):
        lookahead.add(images, name)
        taken.append(list(lookahead.ready(25)))
    assert taken == [[], [], [], ["a"], ["b", "c", "d"], []]
    assert list(lookahead.drain()) == ["e", "f"]
