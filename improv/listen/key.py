"""Which key the human plays in, and which pitches that makes less likely in an answer."""

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal

from improv.listen.tracker import Change, Onset

CLASSES = 12
Mode = Literal["major", "minor"]

_LETTERS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "sharp": 1, "b": -1, "♭": -1, "flat": -1}
# As most scores spell them: the fewer sharps or flats, the better.
_NAMES: dict[Mode, tuple[str, ...]] = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
# The natural minor scale, and the raised sixth and seventh of the melodic one: the harmonic one lies between.
_MINOR = (0, 2, 3, 5, 7, 8, 9, 10, 11)
_SPELLED = re.compile(
    r"(?P<letter>[A-Ga-g])[ -]*(?P<accidental>#|♯|♭|(?i:sharp|flat)|b|)[ -]*(?P<mode>m|M|(?i:maj|major|min|minor)|)"
)

# How likely each degree is, from the tonic up: D. Temperley, "Music and Probability", MIT Press 2007 (the profiles of
# the Kostka-Payne corpus). Over the first 100 notes of 380 piano pieces with the key in their title (some of them
# twice), weighed by duration and velocity, the nearest key by correlation is right for 84 %; by Krumhansl and Kessler's
# profiles (1982) for 65 %, Temperley's of 1999 for 78 %, Albrecht and Shanahan's (2013) for 82 %, Aarden and Essen's
# for 72 %. By likelihood, as below, it is 82 %; and 87 % where each note counts once.
_PROFILES: dict[Mode, tuple[float, ...]] = {
    "major": (0.748, 0.060, 0.488, 0.082, 0.670, 0.460, 0.096, 0.715, 0.104, 0.366, 0.057, 0.400),
    "minor": (0.712, 0.084, 0.474, 0.618, 0.049, 0.460, 0.105, 0.747, 0.404, 0.067, 0.133, 0.330),
}
# A note says less than its likelihood: it follows from the notes around it. So its logarithm counts for this much.
_WEIGHT = 0.35
# From one note to the next, the key changes this often.
_CHANGES = 0.005
# A key is named when it is this probable, and another instead when that is.
_NAMED, _INSTEAD = 0.5, 0.7
# What was played no longer than this before the last onset is recent.
RECENT_S = 4.0
# At full strength a pitch outside the key is less likely by this factor, as a logarithm. It goes with the square of the
# strength, so that the middle is moderate. Of what `lstm` plays on pop909, 93 % are in key at 0, 96 % at 0.25, 99 % at
# 0.5 and all at 1; on Weimar's jazz 76, 84, 93 and 99.9 %, where 80 % of the true continuations are.
STRICTEST = 5.0


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """A key: `tonic` is a pitch class from C = 0 to B = 11."""

    tonic: int
    mode: Mode = "major"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Return the key of a name: "C", "Bb", "F# minor", "Am", "E flat major". Raises ValueError for any other."""
        found = _SPELLED.fullmatch(text.strip())
        if found is None:
            raise ValueError(
                f'"{text}" is not a key: give its letter, # or b if need be, and "minor" or "major"'
                " (C major, F# minor, Bb, Am)"
            )
        letter, accidental, mode = found.group("letter", "accidental", "mode")
        tonic = _LETTERS[letter.upper()] + _ACCIDENTALS[accidental.lower()]
        return cls(tonic % CLASSES, "minor" if mode == "m" or mode.lower().startswith("min") else "major")

    @property
    def name(self) -> str:
        """Its name, as musicians spell it: "Bb major". `parse` is the inverse."""
        return f"{_NAMES[self.mode][self.tonic]} {self.mode}"

    @property
    def classes(self) -> frozenset[int]:
        """The pitch classes of its scale; in minor, the sixth and seventh both natural and raised."""
        return frozenset((self.tonic + degree) % CLASSES for degree in (_MAJOR if self.mode == "major" else _MINOR))

    def __str__(self) -> str:
        return self.name


KEYS = tuple(Key(tonic, mode) for mode in _PROFILES for tonic in range(CLASSES))


class KeyListener:
    """Hears onsets, and knows the key once they tell: of 327 beginnings 72 % are named after 25 notes, all after 100.

    It weighs the 24 keys by Bayes' rule, note by note, as a hidden Markov model whose key changes now and then: older
    notes count less and less, by the notes that follow them and not by the clock, for a pause says nothing.
    """

    def __init__(self) -> None:
        self._shares = [1 / len(KEYS)] * len(KEYS)
        self._named: int | None = None
        self._onsets: deque[tuple[float, int]] = deque()

    @property
    def key(self) -> Key | None:
        """The key the human plays in; None while too little tells."""
        return None if self._named is None else KEYS[self._named]

    @property
    def confidence(self) -> float:
        """How probable `key` is, 0 to 1; 0 where there is none."""
        return 0.0 if self._named is None else self._shares[self._named]

    @property
    def recent(self) -> frozenset[int]:
        """The pitch classes played in the last seconds before the last onset."""
        return frozenset(pitch for _, pitch in self._onsets)

    def feed(self, change: Change) -> None:
        """Hear an onset. How long and how loud a note is has been found not to help."""
        if not isinstance(change, Onset):
            return
        pitch = change.pitch % CLASSES
        self._weigh(_LIKELY[pitch])
        self._onsets.append((change.at, pitch))
        while self._onsets[0][0] < change.at - RECENT_S:
            self._onsets.popleft()

    def _weigh(self, likely: tuple[float, ...]) -> None:
        moved = _CHANGES / (len(KEYS) - 1)
        shares = [
            ((1 - _CHANGES) * share + moved * (1 - share)) * each
            for share, each in zip(self._shares, likely, strict=True)
        ]
        whole = sum(shares)
        self._shares = [share / whole for share in shares]
        best = max(range(len(KEYS)), key=self._shares.__getitem__)
        if self._shares[best] >= (_NAMED if self._named is None else _INSTEAD):
            self._named = best


def key_bias(key: Key | None, strength: float, recent: frozenset[int] = frozenset()) -> tuple[float, ...] | None:
    """Return the log-weights of the 12 pitch classes, as `Taste.bias` takes them; None where all weigh the same.

    `strength`: 0 (any pitch, as the model thinks) to 1 (outside the key only what the model is very sure of).
    Pitch classes that are `recent` count as inside.
    """
    if key is None or strength <= 0:
        return None
    inside = key.classes | recent
    return tuple(0.0 if pitch in inside else -STRICTEST * strength**2 for pitch in range(CLASSES))


def _likely(pitch: int) -> tuple[float, ...]:
    """Return how likely the pitch class is in each of the keys, as much as a note may say."""
    return tuple(
        (_PROFILES[key.mode][(pitch - key.tonic) % CLASSES] / sum(_PROFILES[key.mode])) ** _WEIGHT for key in KEYS
    )


_LIKELY = tuple(_likely(pitch) for pitch in range(CLASSES))
