"""``python -m callboard.cli`` is ``callboard``."""

from __future__ import annotations

import sys

from callboard.cli import main

if __name__ == "__main__":
    sys.exit(main())
