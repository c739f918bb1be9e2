"""The sql domain: checks queries while they are written, and changes nothing."""

from callboard.actors.sql.answers import COMMANDS, SQLAnswers

__all__ = ["COMMANDS", "SQLAnswers"]
