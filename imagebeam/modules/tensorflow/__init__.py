"""Everything that needs TensorFlow, run in a process of its own."""
