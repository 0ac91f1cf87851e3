"""`python -m maxent` is the command line."""

import sys

from maxent.cli import main

sys.exit(main())
