"""The composition root: makes the actors of a kernel, wires them up, and gives the application a handle."""

from callboard.kernel.composition import open_kernel
from callboard.kernel.handle import Kernel, KernelStatus
from callboard.kernel.outside import Outside

__all__ = ["Kernel", "KernelStatus", "Outside", "open_kernel"]
