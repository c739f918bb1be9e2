"""Ending a cell early."""

from __future__ import annotations


class StopCell(BaseException):
    """Ends the cell that raises it; not an error, so `except Exception` lets it pass.

    `output` becomes what the cell shows. Variables set before it stay.
    """

    def __init__(self, output: object = None) -> None:
        super().__init__("the cell was stopped by cb.stop")
        self.output = output


def stop(predicate: object, output: object = None) -> None:
    """End the cell here if `predicate` is true; cells that depend on it do not run.

    `output` is shown as the cell's output. In a callback it ends that callback only.

    Raises:
        StopCell: the predicate is true.
    """
    if predicate:
        raise StopCell(output)
