"""Faults with names: what can go wrong, a plan of what does, and the kernel that has to bear it."""

from callboard.testing.faults.catalogue import FAULTS, FaultKind, Point, as_table
from callboard.testing.faults.injection import Faults, InjectedFault, pass_time
from callboard.testing.faults.plan import Fault, FaultPlan

__all__ = [
    "FAULTS",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Faults",
    "InjectedFault",
    "Point",
    "as_table",
    "pass_time",
]
