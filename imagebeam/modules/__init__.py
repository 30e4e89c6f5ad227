"""Any TF-Hub image module: resolve and pin a handle, read its interface, compile it, run it.

The package does not import Beam. Importing it does not import TensorFlow: the code that needs
TensorFlow runs in a child process (see `modules.tensorflow`), except for the TensorFlow engine.
"""
