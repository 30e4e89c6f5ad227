"""Train a classifier on the features of any module, and look at its mistakes."""
