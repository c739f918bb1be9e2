# Three caches: of a function, of a block, and in files.
#
#     callboard run examples/caching.py                  computes everything
#     callboard run examples/caching.py                  finds in files what is kept there
#     callboard run examples/caching.py --set scale=3    computes what depends on the slider

# %% [markdown]
# # Caches
# A result is found again while the code that made it, and all it was made from, are the same.

# %% setup
import time

import callboard as cb

# %% scale
scale = cb.ui.slider(1, 10, value=2, label="scale")
scale


# %% primes
@cb.cache
def primes(limit: int) -> list[int]:
    """The primes below a limit. Comments, blank lines and the order of cells change nothing."""
    found: list[int] = []
    for number in range(2, limit):
        if all(number % prime for prime in found if prime * prime <= number):
            found.append(number)
    return found


# %% twice
# The second call computes nothing. Neither does this cell when it, or the one above, is run again.
started = time.perf_counter()
first = primes(20_000)
between = time.perf_counter()
second = primes(limit=20_000)
took = between - started, time.perf_counter() - between
f"{len(first)} primes in {took[0] * 1e3:.1f} ms, then in {took[1] * 1e3:.3f} ms; {primes.cache_info()[:2]}"

# %% table
# All variables that the block binds are kept. When they are known it is left out, with what it would print.
with cb.persistent_cache("table") as kept:
    print("computing the table")
    table = {limit: len(primes(limit * scale.value)) for limit in (100, 1000, 10_000)}
    largest = max(table.values())

# %% shown
# The first characters of a key say what it goes by: C_ is for content.
f"{table}, found in a file: {kept.hit}, key {kept.last_hash[:8]}"

# %% connection
# A connection has no content to go by, so it counts as the code of the cells that made it.
import sqlite3

connection = sqlite3.connect(":memory:")
connection.execute("create table prime (number integer)")
connection.executemany("insert into prime values (?)", [(prime,) for prime in first])
len(first)


# %% query
@cb.lru_cache(maxsize=16)
def count(below: int) -> int:
    """How many primes the database has below a number."""
    return connection.execute("select count(*) from prime where number < ?", (below,)).fetchone()[0]


[count(below) for below in (10, 100, 10, 100)], count.cache_info()[:4]
