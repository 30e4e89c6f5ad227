"""The things that we draw, each by one function with a pen, in unit coordinates."""
