"""What else people use for this work, each in the shape that its own documentation recommends.

They run in an environment of their own, `requirements.txt` beside this, and know nothing of ours.
"""
