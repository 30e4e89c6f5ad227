"""What is asked of every runner."""

EVERYTHING = ("--emit", "labels,logits,features")
SHARDS = ("--images-per-shard", 2)
"""As many as there can be, for something to be killed between them."""
