"""The answers to ``list-secret-keys`` and ``refresh-secrets``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import attrs

from callboard.actors.requests import Request
from callboard.actors.secrets.loader import DotenvLoader
from callboard.messages.commands import ListSecretKeysCommand, RefreshSecretsCommand
from callboard.messages.notifications import SecretKeysResultNotification

SecretsCommand = ListSecretKeysCommand | RefreshSecretsCommand

COMMANDS = (ListSecretKeysCommand, RefreshSecretsCommand)


@attrs.define(eq=False)
class SecretsAnswers:
    """Names secrets while cells run; loads dotenv files between two cells where the environment is the process's."""

    loader: DotenvLoader

    def reads(self, command: SecretsCommand) -> Iterable[str]:
        """Secrets need no variable."""
        return ()

    async def answer(self, request: Request[SecretsCommand]) -> SecretKeysResultNotification | None:
        """Answer one request. A refresh that is cancelled midway may take effect all the same, or with the next one."""
        command = request.command
        if isinstance(command, ListSecretKeysCommand):
            listed = await request.call(self.loader.list_keys)
            return SecretKeysResultNotification(command.request_id, listed)
        reading = await request.call(self.loader.read)
        await request.call(partial(self.loader.apply, reading), self.loader.environ.place)
        return None
