"""How finely a network of distributions tells times and velocities apart. Without numpy: model files are checked by it.

Times lie on cells of 10 ms: a bin is a whole number of them, one at first and about 8 % of its time later, up to 8 s;
what is longer is in the last bin. A network is trained on these very bins: other bins are another network.
"""

CELL_S = 0.01
_LONGEST_CELLS = 800
_GROWTH = 0.08


def _bounds() -> list[int]:
    bounds = [0]
    while bounds[-1] < _LONGEST_CELLS:
        bounds.append(min(_LONGEST_CELLS, bounds[-1] + max(1, round(_GROWTH * bounds[-1]))))
    return bounds


# Bin i of a time goes from BOUNDS[i] to BOUNDS[i + 1], in cells.
BOUNDS = tuple(_bounds())
TIMES = len(BOUNDS) - 1

VELOCITY_WIDTH = 4
VELOCITIES = 128 // VELOCITY_WIDTH
# A file without dynamics says nothing of them: a velocity beside the bins.
NO_VELOCITY = VELOCITIES
