"""What the training scripts share: options, the training run, its states on disk, its launch and its errors."""
