"""Caches for notebook authors: ``cb.cache``, ``cb.lru_cache`` and ``cb.persistent_cache``.

Keys go by content and by code, so a result is found again for as long as what it came from is the same, and no longer.
"""

from callboard.caching.api import cache, lru_cache, persistent_cache
from callboard.caching.blocks import Block, BlockError, Cache
from callboard.caching.content import Unkeyable
from callboard.caching.files import FileOps, FileStore, RealFileOps
from callboard.caching.functions import CachedFunction
from callboard.caching.redis import RedisStore
from callboard.caching.registry import CacheInfo, Caches, caches_of
from callboard.caching.store import Entry, MemoryStore, SaveFailed, Store, TieredStore

__all__ = [
    "Block",
    "BlockError",
    "Cache",
    "CacheInfo",
    "CachedFunction",
    "Caches",
    "Entry",
    "FileOps",
    "FileStore",
    "MemoryStore",
    "RealFileOps",
    "RedisStore",
    "SaveFailed",
    "Store",
    "TieredStore",
    "Unkeyable",
    "cache",
    "caches_of",
    "lru_cache",
    "persistent_cache",
]
