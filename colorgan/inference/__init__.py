"""From a photograph to the network and back: what the network sees, its chroma at full size, the rendered picture."""
