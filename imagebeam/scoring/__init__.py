"""Run a module on decoded pictures, in this process or in the one that decoded them."""
