"""The domains that answer requests about data, with what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from callboard.actors.announcing import Watch
from callboard.actors.answering import RequestDomain
from callboard.actors.cache import COMMANDS as CACHE_COMMANDS
from callboard.actors.cache import CacheAnswers, CachesView
from callboard.actors.datasets.answers import COMMANDS as DATASETS_COMMANDS
from callboard.actors.datasets.answers import INTERNAL as DATASETS_INTERNAL
from callboard.actors.datasets.answers import DatasetsAnswers
from callboard.actors.datasets.introspection import Introspect as IntrospectDatasets
from callboard.actors.datasets.introspection import interesting as may_be_dataset
from callboard.actors.notebook.settings import Settings
from callboard.actors.requests import NamesConflation
from callboard.actors.secrets.answers import COMMANDS as SECRETS_COMMANDS
from callboard.actors.secrets.answers import SecretsAnswers
from callboard.actors.secrets.environ import Environ
from callboard.actors.secrets.loader import DotenvLoader, DotenvSettings
from callboard.actors.sql.answers import COMMANDS as SQL_COMMANDS
from callboard.actors.sql.answers import INTERNAL as SQL_INTERNAL
from callboard.actors.sql.answers import Prepare, SQLAnswers
from callboard.actors.storage.answers import COMMANDS as STORAGE_COMMANDS
from callboard.actors.storage.answers import INTERNAL as STORAGE_INTERNAL
from callboard.actors.storage.answers import StorageAnswers
from callboard.actors.storage.introspection import Introspect as IntrospectStorages
from callboard.actors.storage.recognition import interesting as may_be_storage
from callboard.engines import DEFAULT_ENGINE_NAME, is_engine_type
from callboard.virtual_files import VirtualFiles


def dotenv_loader(
    settings: Callable[[], DotenvSettings],
    filename: Callable[[], str | None],
    warn: Callable[[str], object],
    *,
    own_process: bool,
    variables: Mapping[str, str] | None,
) -> DotenvLoader:
    """Make what loads a notebook's dotenv files: into the environment of the process only if that is the kernel's.

    ``variables`` stand for those of the process if they are given.
    """
    to_process = own_process and variables is None
    environ = Environ.of_process() if to_process else Environ.private(variables)
    return DotenvLoader(environ, settings, filename, warn)


def data_domains(
    settings: Callable[[], Settings],
    loader: DotenvLoader,
    files: VirtualFiles | None,
    caches: CachesView,
) -> tuple[RequestDomain, ...]:
    """Make the data domains of one kernel."""
    return (
        RequestDomain(
            "datasets",
            DATASETS_COMMANDS,
            DatasetsAnswers(lambda: settings().discovery),
            internal=DATASETS_INTERNAL,
            conflation=NamesConflation(IntrospectDatasets, 1000),
            watch=Watch(may_be_dataset, IntrospectDatasets, built_in=DEFAULT_ENGINE_NAME),
        ),
        RequestDomain(
            "sql",
            SQL_COMMANDS,
            SQLAnswers(),
            internal=SQL_INTERNAL,
            conflation=NamesConflation(Prepare, 10_000),
            watch=Watch(is_engine_type, Prepare),
        ),
        RequestDomain(
            "storage",
            STORAGE_COMMANDS,
            StorageAnswers(files),
            internal=STORAGE_INTERNAL,
            conflation=NamesConflation(IntrospectStorages, 10_000),
            watch=Watch(may_be_storage, IntrospectStorages),
        ),
        RequestDomain("secrets", SECRETS_COMMANDS, SecretsAnswers(loader)),
        RequestDomain("cache", CACHE_COMMANDS, CacheAnswers(caches)),
    )
