"""The command `colorgan dataset`, which colourizes the pictures of a data set. It needs the extra `[train]`."""
