"""Run the `colorgan` command as `python -m colorgan`."""

import sys

from colorgan.cli import main

sys.exit(main())
