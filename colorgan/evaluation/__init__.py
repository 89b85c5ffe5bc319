"""Measuring colourizers: metrics, their evaluation on a data set, and sheets of pictures."""
