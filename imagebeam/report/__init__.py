"""The page that shows what an output holds: counted once, then rendered."""
