"""Images inside tar, zip, TFRecord and Parquet files: listed once, then read by position.

Nothing is ever written to disk, whatever an archive asks for: a member's name is data.
The modules are imported one by one: a decoding process needs the types, but not Arrow.
"""
