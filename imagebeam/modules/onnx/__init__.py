"""ONNX files: their graph and their metadata."""
