"""What holds for all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# A busy machine makes any example slow: what a test takes is bounded by its timeout alone.
settings.register_profile("callboard", settings.default, deadline=None)
settings.load_profile("callboard")

# Tests start hundreds of interpreters: let those find what the first of them have compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
