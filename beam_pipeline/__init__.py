"""The job: a command line in, labels and a report out."""
