"""Removing virtual files on time."""

from __future__ import annotations

from typing import NoReturn

import trio

from callboard.virtual_files import VirtualFiles


async def remove_on_time(files: VirtualFiles) -> NoReturn:
    """Free the memory of files whose time is over, until cancelled. Their clock has to run like trio's."""
    while True:
        added = trio.Event()
        files.on_add = added.set
        left = files.expire()
        if left is None:
            await added.wait()
        else:
            # Whatever is added meanwhile lives longer than what is there.
            await trio.sleep(left)
