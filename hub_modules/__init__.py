"""Any TF-Hub image module: resolve and pin a handle, read its interface, compile it, run it.

Knows nothing of Beam. Importing this package imports no TensorFlow; what needs it runs in a
process of its own (see `with_tensorflow`), except the TensorFlow engine.
"""

from hub_modules.class_names import read_class_names
from hub_modules.engines import Engine, load_engine
from hub_modules.errors import ModuleError
from hub_modules.opening import compile_module, open_module
from hub_modules.records import Answers, Module, ModuleInfo, StagedModule

__all__ = [
    "Answers",
    "Engine",
    "Module",
    "ModuleError",
    "ModuleInfo",
    "StagedModule",
    "compile_module",
    "load_engine",
    "open_module",
    "read_class_names",
]
