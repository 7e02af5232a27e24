"""JSON: ujson does it where it is, and json where it is not."""
import importlib
import json as standard
import sys
import types

import pytest

from composer.core import json


@pytest.fixture
def ujson(monkeypatch):
    """Put a module in the place of ujson, None for none; when the test has ended, all is as before."""
    def put(module):
        monkeypatch.setitem(sys.modules, "ujson", module)
        return importlib.reload(json)
    yield put
    monkeypatch.undo()
    importlib.reload(json)


def fail(error):
    def loads(text):
        raise error
    return loads


def test_ujson_is_taken_where_it_is(ujson):
    stub = types.ModuleType("ujson")
    stub.dumps, stub.loads = (lambda value: "text of " + value), (lambda text: ["value", text])
    found = ujson(stub)
    assert found.dumps is stub.dumps and found.dumps("x") == "text of x"
    assert found.loads("x") == found.strict("x") == ["value", "x"]


def test_json_is_taken_where_ujson_is_not(ujson):
    found = ujson(None)
    assert found.dumps is standard.dumps and found.loads(b'{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize("error", [RecursionError("too deep"), MemoryError(), ValueError("no JSON")])
def test_whatever_ujson_raises_is_a_value_error(ujson, error):
    stub = types.ModuleType("ujson")
    stub.dumps, stub.loads = standard.dumps, fail(error)
    with pytest.raises(ValueError):
        ujson(stub).loads("[[")


def test_what_ujson_lets_through_and_json_cannot_say_is_refused(ujson):
    stub = types.ModuleType("ujson")
    stub.dumps, stub.loads = standard.dumps, standard.loads
    found = ujson(stub)
    for text in ("[NaN]", '{"a": -Infinity}', "[" * 65 + "]" * 65):
        with pytest.raises(ValueError):
            found.strict(text)
    assert found.strict("[" * 64 + "]" * 64)
