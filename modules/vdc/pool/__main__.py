"""``python -m vdc.pool``."""

import sys

from vdc.pool.server import main

sys.exit(main())
