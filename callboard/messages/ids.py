"""Typed ids. Each is an opaque string: compared and hashed, never parsed."""

from typing import NewType

CellId = NewType("CellId", str)
RequestId = NewType("RequestId", str)
"""Chosen by the client; the reply carries it back."""
UIElementId = NewType("UIElementId", str)
ModelId = NewType("ModelId", str)
"""A widget model."""
VariableName = NewType("VariableName", str)
RunId = NewType("RunId", str)
FunctionCallId = NewType("FunctionCallId", str)

SCRATCHPAD_CELL = CellId("__scratch__")
"""The cell the scratchpad runs as."""
SETUP_CELL = CellId("setup")
"""The cell that may depend on no other and runs ahead of all."""
