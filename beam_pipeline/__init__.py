"""The job: a command line in, labels and a report out."""

VERSION = "0.1.0"
