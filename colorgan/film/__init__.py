"""Colourize films: read frames, predict colours that are steady in time, and write them with the film's sound.

Only this folder imports PyAV, which is in the extra `[video]`.
"""

# the containers of results by their suffixes, and x264's presets, here because the command's options need no PyAV
FORMATS = {"mp4": "mp4", "m4v": "mp4", "mov": "mov", "mkv": "matroska"}
PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
