"""Colourize a photograph: make the network's inputs, run the network, and put its colours on the photograph."""
