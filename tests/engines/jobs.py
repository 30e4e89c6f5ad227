"""The job that every runner runs."""

EVERYTHING = ("--emit", "labels,logits,features")
SHARDS = ("--images-per-shard", 2)
"""As many shards as possible, so that a process can be killed between them."""
