"""Pictures that we draw ourselves: the sample archive, and the training of the embedded module."""
