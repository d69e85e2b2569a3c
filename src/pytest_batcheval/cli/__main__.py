"""`python -m pytest_batcheval.cli`: the command without its script."""

import sys

from pytest_batcheval.cli import main

sys.exit(main())
