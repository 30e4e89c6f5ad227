"""The code that needs TensorFlow; `subprocess` runs it in a child process."""
