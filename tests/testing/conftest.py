"""The fixtures that the installed package brings along; here they come from the sources."""

from callboard.testing.plugin import faults, kernel, sim

__all__ = ["faults", "kernel", "sim"]
