"""Deterministic simulation: a whole kernel on virtual time, in an order that a seed decides."""

from callboard.testing.simulation.cells import SimulatedSurroundings
from callboard.testing.simulation.explore import SeedFailed, explore
from callboard.testing.simulation.installer import SimulatedInstaller
from callboard.testing.simulation.run import Result, Scenario, play, simulate
from callboard.testing.simulation.scheduler import (
    CannotSimulate,
    Schedule,
    run_seeded,
    seeded_scheduling,
    virtual_clock,
)
from callboard.testing.simulation.serial import NotebookValues, SerialRun, run_serially
from callboard.testing.simulation.shrink import shrink
from callboard.testing.simulation.world import World, open_world

__all__ = [
    "CannotSimulate",
    "NotebookValues",
    "Result",
    "Scenario",
    "Schedule",
    "SeedFailed",
    "SerialRun",
    "SimulatedInstaller",
    "SimulatedSurroundings",
    "World",
    "explore",
    "open_world",
    "play",
    "run_seeded",
    "run_serially",
    "seeded_scheduling",
    "shrink",
    "simulate",
    "virtual_clock",
]
