"""Makes the helpers here, and those of the respondents' tests, importable: test folders are no packages."""

import os
import sys
from pathlib import Path

# matrices here are small: a second thread of the linear algebra only costs
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "simulator" / "respondents")]
