"""Any TF-Hub image module: resolve and pin a handle, read its interface, compile it, run it.

The package does not import Beam. Importing it does not import TensorFlow: the code that needs
TensorFlow runs in a child process (see `modules.tensorflow`), except for the TensorFlow engine.
"""

from imagebeam.modules.class_names import read_class_names
from imagebeam.modules.engines import Engine, load_engine, load_flatbuffer
from imagebeam.modules.errors import ModuleError
from imagebeam.modules.handles.catalogue import DEMO, default_module
from imagebeam.modules.model_outputs import ModelOutputs
from imagebeam.modules.open_module import compile_module, open_module
from imagebeam.modules.types import Module, ModuleInfo, StagedModule

__all__ = [
    "DEMO",
    "Engine",
    "ModelOutputs",
    "Module",
    "ModuleError",
    "ModuleInfo",
    "StagedModule",
    "compile_module",
    "default_module",
    "load_engine",
    "load_flatbuffer",
    "open_module",
    "read_class_names",
]
