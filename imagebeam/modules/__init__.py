"""Any TF-Hub image module: resolve and pin a handle, read its interface, compile it, run it.

Knows nothing of Beam. Importing this package imports no TensorFlow; what needs it runs in a
process of its own (see `with_tensorflow`), except the TensorFlow engine.
"""

from imagebeam.modules.class_names import read_class_names
from imagebeam.modules.engines import Engine, load_engine
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.open_module import compile_module, open_module
from imagebeam.modules.types import ModelOutputs, Module, ModuleInfo, StagedModule

__all__ = [
    "Engine",
    "ModelOutputs",
    "Module",
    "ModuleError",
    "ModuleInfo",
    "StagedModule",
    "compile_module",
    "load_engine",
    "open_module",
    "read_class_names",
]
