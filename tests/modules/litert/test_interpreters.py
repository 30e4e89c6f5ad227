"""Test from outside of the process, because LiteRT writes past Python's streams."""

import subprocess
import sys
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from imagebeam.modules.errors import ModuleError
from imagebeam.modules.litert.graph import Graph, pack
from imagebeam.modules.litert.interpreters import open_interpreter
from tests.modules.flatbuffers import echo

_ROOT = Path(__file__).parents[3]
_OPEN = """
import os, sys, threading
from pathlib import Path
from imagebeam.modules.litert.interpreters import open_interpreter

content = Path(sys.argv[1]).read_bytes()
openers = [threading.Thread(target=open_interpreter, args=(content, "it")) for _ in range(4)]
for opener in openers:
    opener.start()
for opener in openers:
    opener.join()
print("opened")
os.write(2, b"written later")
"""


@pytest.mark.parametrize(("close", "expected"), [("", b"written later"), ("2>&-", b"")])
def test_litert_prints_no_greeting(reference: Path, close: str, expected: bytes) -> None:
    flatbuffer = reference / "mobilenet_v1_0.25_128_quant.tflite"
    code = _OPEN if not close else _OPEN.replace('os.write(2, b"written later")', "")
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" "$2" {close}', sys.executable, code, str(flatbuffer)],
        cwd=_ROOT,
        capture_output=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == (b"opened\n", expected)


@pytest.mark.parametrize("name", ["FlexBetainc", "MyOperation"])
def test_operations_that_litert_lacks_are_named_with_the_cure(name: str) -> None:
    model = Graph(echo(softmax=True, factor=2.0)).model
    for code, custom in ((model.operatorCodes[1], name), (model.operatorCodes[2], "Another")):
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = custom
    with pytest.raises(ModuleError) as caught:
        open_interpreter(pack(model), "it")
    assert str(caught.value) == (
        f"it: needs operations that are not LiteRT's own: Another, {name}. Give the SavedModel "
        "that it was made from, which TensorFlow runs."
    )
