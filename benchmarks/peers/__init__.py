"""Other programs for this work, set up as their own documentation recommends.

They run in a separate environment (see `requirements.txt` beside this file) without this package.
"""
