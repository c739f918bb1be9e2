"""Faults with names: what can go wrong, a plan of what does, and the kernel that has to bear it."""

from callboard.testing.faults.callables import disturbed
from callboard.testing.faults.catalogue import FAULTS, FaultKind, Point, as_table
from callboard.testing.faults.files import DisturbedFiles
from callboard.testing.faults.injection import Faults, InjectedFault, pass_time
from callboard.testing.faults.plan import Fault, FaultPlan
from callboard.testing.faults.streams import DisturbedStream
from callboard.testing.faults.threads import SimulatedThreads

__all__ = [
    "FAULTS",
    "DisturbedFiles",
    "DisturbedStream",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Faults",
    "InjectedFault",
    "Point",
    "SimulatedThreads",
    "as_table",
    "disturbed",
    "pass_time",
]
