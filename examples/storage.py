# Storages: whatever fsspec or obstore can reach, listed, fetched and previewed while cells run.
#
#     pip install fsspec
#     python examples/storage.py

"""Opens a kernel, has a cell make a storage, and asks for its files while another cell is busy."""

import time

import trio

from callboard import open_kernel
from callboard.messages.commands import (
    ExecuteCellsCommand,
    StorageDownloadCommand,
    StorageListEntriesCommand,
)

MAKE = """
from fsspec.implementations.memory import MemoryFileSystem

bucket = MemoryFileSystem()
bucket.pipe({"/reports/2024.csv": b"month,sold\\n1,310\\n", "/reports/2025.csv": b"month,sold\\n1,402\\n"})
"""
BUSY = "import time; time.sleep(20)"


async def main() -> None:
    """Ask while a cell runs; each answer comes at once."""
    async with open_kernel() as kernel:
        kernel.post(ExecuteCellsCommand(["make", "busy"], [MAKE, BUSY]))
        started = time.perf_counter()
        # Sent right behind the run, and it sees the storage that the run makes; it does not wait for the busy cell.
        listed = await kernel.ask(
            StorageListEntriesCommand("list", "bucket", 100, prefix="reports")
        )
        if listed.reply.error is not None:
            raise SystemExit(listed.reply.error)
        for entry in listed.reply.entries:
            print(f"{entry.size:>6} {entry.path}")
        fetched = await kernel.ask(
            StorageDownloadCommand("fetch", "bucket", "reports/2025.csv", preview=True)
        )
        file = kernel.virtual_file(fetched.reply.url)
        print(file.content.decode())
        print(
            f"after {time.perf_counter() - started:.2f} s, while the cell {kernel.status().cell!r} runs"
        )
        kernel.interrupt()


trio.run(main)
