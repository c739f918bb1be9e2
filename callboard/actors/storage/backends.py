"""From a value of the notebook to the backend that knows how to use it."""

from __future__ import annotations

from callboard.actors.storage.addresses import AddressPolicy
from callboard.actors.storage.fsspec_backend import FsspecBackend
from callboard.actors.storage.huggingface_backend import HuggingFaceBackend
from callboard.actors.storage.obstore_backend import ObstoreBackend
from callboard.actors.storage.paging import Bookmarks
from callboard.actors.storage.ports import Backend
from callboard.actors.storage.recognition import Kind, kind_of


def backend_of(value: object, bookmarks: Bookmarks, policy: AddressPolicy) -> Backend | None:
    """Make the backend for a value, None if it is no storage. Runs no code of the notebook."""
    match kind_of(type(value)):
        case Kind.OBSTORE:
            return ObstoreBackend(value, bookmarks)
        case Kind.HUGGINGFACE:
            return HuggingFaceBackend(value)
        case Kind.FSSPEC:
            return FsspecBackend(value, bookmarks, policy)
        case None:
            return None
