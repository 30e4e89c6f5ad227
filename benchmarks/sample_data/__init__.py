"""The origin of `imagebeam.samples`: programs that draw the archive and train the module."""
