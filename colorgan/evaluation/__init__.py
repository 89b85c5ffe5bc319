"""Measure colourizers: metrics, their evaluation on a data set, and figures made of grids of images."""
