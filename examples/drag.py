# A slider, and a few milliseconds of work that hang on it.
#
#     callboard demo                                   drags it at 60 Hz while a package installs
#     callboard run examples/drag.py --set position=72 runs it once, from there

# %% [markdown]
# # Waves
# The **position** of the slider decides where the waves are. Everything below it runs again whenever it moves.

# %% setup
from math import exp, sin, tau

import callboard as cb

WIDTH, HEIGHT = 64, 5

# %% position
position = cb.ui.slider(0, 100, 0.01, value=50, label="position", full_width=True)
position

# %% bar
# No widget: a bar can be text.
filled, part = divmod(position.value / 100 * WIDTH * 8, 8)
bar = "█" * int(filled) + " ▏▎▍▌▋▊▉"[int(part)]
f"{bar:<{WIDTH}.{WIDTH}} ▏"

# %% waves
# The work: a hundred waves under every column, the short ones low and quick, each at a pace of its own.
drift = tau * position.value / 100
waves = [
    sum(
        exp(-n / 3) * sin(n * x * tau / WIDTH - (-1) ** n * (1 + n % 4) * drift + n * n)
        for n in range(1, 101)
    )
    for x in range(WIDTH)
]

# %% landscape
lowest, highest = min(waves), max(waves)
heights = [(wave - lowest) / (highest - lowest) * HEIGHT * 8 for wave in waves]


def block(height: float, row: int) -> str:
    """What a column of some height shows in a row, counted from the bottom."""
    eighths = min(8, max(0, round(height - row * 8)))
    return " ▁▂▃▄▅▆▇█"[eighths]


rows = ["".join(block(height, row) for height in heights) for row in reversed(range(HEIGHT))]
"\n".join([*rows, f"position {position.value:.2f}"])
