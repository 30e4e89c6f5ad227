"""The output of a job: its schema, file names and summary, and the code that reads them."""
