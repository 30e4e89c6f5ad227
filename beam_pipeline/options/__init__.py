"""The options of commands: how they are declared, their values, and those of a job."""
