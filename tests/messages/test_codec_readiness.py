"""What decodes a command can be made before the command comes."""

from __future__ import annotations

import subprocess
import sys

READY = """
import builtins
from callboard.messages import codec
from callboard.messages.commands import COMMANDS, COMMAND_TAGS

compiled = []
compile_it = builtins.compile
builtins.compile = lambda source, *rest, **more: compiled.append(1) or compile_it(source, *rest, **more)
if {ready}:
    for command_type in COMMANDS:
        codec.get_ready_for(command_type)
before = len(compiled)
codec.decode_command({{"type": "execute-cells", "cellIds": ["a"], "codes": ["1"], "request": None}})
for tag in COMMAND_TAGS.values():
    try:
        codec.decode_command({{"type": tag}})
    except codec.CommandDecodeError:
        pass  # fields are missing
print(len(compiled) - before)
"""


def compiled_while_decoding(*, ready: bool) -> int:
    """How many functions decoding made, in a process that has decoded nothing yet."""
    shown = subprocess.run(
        [sys.executable, "-c", READY.format(ready=ready)],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(shown.stdout)


def test_nothing_is_made_while_a_command_waits_if_it_was_made_before() -> None:
    assert compiled_while_decoding(ready=False) > 30
    assert compiled_while_decoding(ready=True) == 0
