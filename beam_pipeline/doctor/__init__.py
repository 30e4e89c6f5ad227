"""The checks of `imagebeam doctor`, one subject per file.

A check is a function that yields findings. Each runs in a process of its own with a time limit: see
`check_process`. A check writes only a probe, which it removes.
"""
