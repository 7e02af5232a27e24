"""Fixtures: a node with an agent between two hosts; the tests of a file share it, and each leaves it as it was."""
import pytest

from place import Place


@pytest.fixture(scope="module")
def shared():
    with Place() as place:
        yield place


@pytest.fixture
def place(shared):
    """The shared place, without graphs; when the test has ended, and its graphs are deleted, all must be as before."""
    before = shared.world()
    yield shared
    shared.clear()
    assert not shared.changes(before)
