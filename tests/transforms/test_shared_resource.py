import pickle

from imagebeam.transforms.shared_resource import SharedResource


class _Resource:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def test_all_copies_of_a_handle_share_one_object_that_the_last_one_closes() -> None:
    handle = SharedResource[_Resource]()
    copy = pickle.loads(pickle.dumps(handle))
    resource = handle.acquire(_Resource)
    assert copy.acquire(_Resource) is resource
    handle.release()
    assert resource.closed == 0
    copy.release()
    assert resource.closed == 1
    assert handle.acquire(_Resource) is not resource
    handle.release()


def test_two_handles_share_nothing() -> None:
    first, second = SharedResource[_Resource](), SharedResource[_Resource]()
    assert first.acquire(_Resource) is not second.acquire(_Resource)
    first.release()
    second.release()


def test_an_object_that_cannot_be_made_leaves_no_state() -> None:
    handle = SharedResource[_Resource]()

    def fail() -> _Resource:
        raise OSError("no room")

    for _ in range(2):
        try:
            handle.acquire(fail)
        except OSError:
            continue
        raise AssertionError
    assert isinstance(handle.acquire(_Resource), _Resource)
    handle.release()
