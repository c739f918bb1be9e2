"""The page about messages says what the classes say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from callboard.messages.codec import decode_command
from callboard.messages.commands import COMMAND_TYPES
from callboard.messages.notifications import NOTIFICATION_TYPES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "wire.md").read_text(encoding="utf-8")


def test_the_page_is_what_the_classes_make_of_it() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "wire_reference.py")],
        check=True,
        capture_output=True,
        cwd=ROOT,
        encoding="utf-8",
    )
    assert made.stdout == PAGE, "run: python tools/wire_reference.py > docs/wire.md"


def test_every_message_is_on_it_and_every_link_leads_somewhere() -> None:
    titles = re.findall(r"^### (.+)$", PAGE, flags=re.MULTILINE)
    assert {f"`{name}`" for name in (*COMMAND_TYPES, *NOTIFICATION_TYPES)} <= set(titles)
    anchors = {title.strip("`").lower() for title in titles}
    links = set(re.findall(r"\]\(#([^)]+)\)", PAGE))
    assert links - anchors == set()


def test_the_commands_of_its_example_are_commands() -> None:
    sent = re.findall(r"^→ (.+)$", PAGE, flags=re.MULTILINE)
    assert sent
    for line in sent:
        decode_command(line)
