"""The steps of the tutorial "Music Generation with LSTMs", by the names that its reader knows: see docs/tutorial.md.

They keep to what it does: one instrument of one file, and no velocity. `improv train` and `improv generate` do without
these limits.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
import pretty_midi
from mido import KeySignatureError
from numpy.typing import NDArray

from improv.errors import CorpusError, ImprovError, UsageError
from improv.events import PITCHES
from improv.predict.continuation import continuations
from improv.predict.encoding import COLUMNS, DURATION, PITCH, STEP, VELOCITY, FloatArray
from improv.predict.engine import Engine, Taste
from improv.predict.engines import engine_of
from improv.predict.weights import find, load
from improv.train.dataset import Labels, Windows, windows_in

SEQ_LENGTH = 25
VELOCITY_OF_ALL = 100
NOTE = np.dtype([("pitch", "i8"), ("start", "f8"), ("end", "f8"), ("step", "f8"), ("duration", "f8")])
Notes = NDArray[np.void]
"""A table of notes in order of start, a row of `NOTE` each: seconds, but for the pitch (0-127). A step is the start
minus that of the note before; `notes["pitch"]` is a column, `notes[:5]` the first five rows."""

# Half a millisecond; pretty_midi's own would be 2 ms.
_TICKS_PER_BEAT = 960
_SHORTEST_S = 0.01
# What mido and pretty_midi raise for a file that is none, or a damaged one.
_DAMAGE = (EOFError, OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, KeySignatureError)


def open_midi(path: Path | str) -> pretty_midi.PrettyMIDI:
    """Return a MIDI file as pretty_midi has it. Raises CorpusError where it is none."""
    try:
        return pretty_midi.PrettyMIDI(str(path))
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: there is no such file") from error
    except _DAMAGE as error:
        raise CorpusError(f"{path}: no MIDI file, or a damaged one ({error or type(error).__name__})") from error


def describe(path: Path | str, count: int = 10) -> str:
    """Return what there is to see in a MIDI file: its instruments, and the first notes of the first.

    Raises CorpusError where there are none.
    """
    instruments = open_midi(path).instruments
    lines = [f"number of instruments: {len(instruments)}"]
    for at, instrument in enumerate(instruments):
        name = "drums" if instrument.is_drum else pretty_midi.program_to_instrument_name(instrument.program)
        lines.append(f"instrument {at}: {name}, {len(instrument.notes)} notes")
    for at, note in enumerate(_table(path, instruments)[:count]):
        name = pretty_midi.note_number_to_name(note["pitch"])
        lines.append(f"{at}: pitch={note['pitch']}, note_name={name}, duration={note['duration']:.4f}")
    return "\n".join(lines)


def midi_to_notes(path: Path | str) -> Notes:
    """Return the notes of a file's instrument 0 (of the first that is no drum kit), by start, a chord from below.

    Raises CorpusError for a file that is no MIDI, or has no notes.
    """
    return _table(path, open_midi(path).instruments)


def notes_to_midi(
    notes: Notes, out_file: Path | str, instrument_name: str, velocity: int = VELOCITY_OF_ALL
) -> pretty_midi.PrettyMIDI:
    """Write notes, by their steps and durations, as a MIDI file for a named General MIDI instrument; return it.

    A key that is struck again while it sounds is let go first. Raises UsageError for an unknown instrument,
    ImprovError where the file cannot be written.
    """
    instrument = pretty_midi.Instrument(_program(instrument_name), name=instrument_name)
    starts = np.cumsum(notes["step"])
    struck_again: dict[int, float] = {}
    for note, start in zip(notes[::-1], starts[::-1], strict=True):
        pitch = int(note["pitch"])
        end = min(start + max(note["duration"], _SHORTEST_S), struck_again.get(pitch, np.inf))
        if end - start >= _SHORTEST_S:
            instrument.notes.append(pretty_midi.Note(velocity, pitch, start, end))
            struck_again[pitch] = start
    instrument.notes.reverse()
    file = pretty_midi.PrettyMIDI(resolution=_TICKS_PER_BEAT)
    file.instruments.append(instrument)
    try:
        file.write(str(out_file))
    except OSError as error:
        raise ImprovError(f"{out_file}: {error.strerror or error}") from error
    return file


def note_names(pitches: Sequence[int] | NDArray[np.int64]) -> list[str]:
    """Return the names of pitches: C4 is 60."""
    return [pretty_midi.note_number_to_name(pitch) for pitch in pitches]


def create_sequences(*files: Notes, seq_length: int = SEQ_LENGTH) -> Windows:
    """Return every sequence of `seq_length` notes with a note after it, its label; none goes from file to file."""
    return windows_in([_rows(notes) for notes in files], seq_length)


def batches(sequences: Windows, batch_size: int = 64, seed: int = 42) -> Iterator[tuple[FloatArray, Labels]]:
    """Yield all sequences in random order, `batch_size` at a time: what the network reads and what it is to foresee.

    Inputs are (batch, length, 3): pitch / 128, step, duration; labels are pitch (batch), step and duration (batch, 1).
    The remainder is dropped.
    """
    starts = np.random.default_rng(seed).permutation(sequences.starts)
    for at in range(0, len(starts) - batch_size + 1, batch_size):
        yield sequences.cut(starts[at : at + batch_size])


def load_model(name: str = "tutorial") -> Engine:
    """Return a model to predict with, by its name or file: in numpy, with no TensorFlow. Raises ModelError."""
    return engine_of(load(find(name)))


def predict_next_note(
    notes: Notes, model: Engine, temperature: float = 1.0, rng: np.random.Generator | None = None
) -> tuple[int, float, float]:
    """Return a pitch drawn from softmax(logits / `temperature`), and step and duration as predicted, never below 0.

    `model` hears as many of the last notes as its window holds (at least one), and divides their pitches itself.
    """
    uniforms = (rng or np.random.default_rng()).random((1, COLUMNS), dtype=np.float32)
    (note,) = model.draw(model.prime(_rows(notes)), uniforms, _taste(temperature))
    return int(note[PITCH]), float(note[STEP]), float(note[DURATION])


def generate_notes(notes: Notes, model: Engine, count: int = 120, temperature: float = 2.0, seed: int = 42) -> Notes:
    """Return `count` notes that go on from `notes`, each foreseen from the last ones. Second 0 is their last start."""
    rows = continuations(model, _rows(notes), count, _taste(temperature), seed)[0].astype(np.float64)
    made = np.empty(count, NOTE)
    made["pitch"], made["step"], made["duration"] = rows[:, PITCH], rows[:, STEP], rows[:, DURATION]
    made["start"] = np.cumsum(made["step"])
    made["end"] = made["start"] + made["duration"]
    return made


def _table(path: Path | str, instruments: Sequence[pretty_midi.Instrument]) -> Notes:
    first = next((instrument for instrument in instruments if instrument.notes and not instrument.is_drum), None)
    if first is None:
        raise CorpusError(f"{path}: there are no notes in this MIDI file")
    played = sorted(first.notes, key=lambda note: (note.start, note.pitch))
    notes = np.empty(len(played), NOTE)
    for column in ("pitch", "start", "end"):
        notes[column] = [getattr(note, column) for note in played]
    notes["step"] = np.diff(notes["start"], prepend=notes["start"][:1])
    notes["duration"] = notes["end"] - notes["start"]
    return notes


def _rows(notes: Notes) -> FloatArray:
    """Return notes as a network's (n, 4): pitch, step, duration, and the velocity that they are written with."""
    rows = np.empty((len(notes), COLUMNS), np.float32)
    rows[:, PITCH], rows[:, STEP], rows[:, DURATION] = notes["pitch"], notes["step"], notes["duration"]
    rows[:, VELOCITY] = VELOCITY_OF_ALL
    return rows


def _taste(temperature: float) -> Taste:
    if not 0 < temperature < np.inf:
        raise UsageError(f"temperature {temperature}: must be above 0")
    # As the tutorial draws: from all pitches, the unlikely ones too.
    return Taste(temperature, 1.0, 0, PITCHES - 1)


def _program(instrument_name: str) -> int:
    try:
        return int(pretty_midi.instrument_name_to_program(instrument_name))
    except ValueError as error:
        close = get_close_matches(instrument_name, pretty_midi.constants.INSTRUMENT_MAP, n=1, cutoff=0.4)
        hint = f", did you mean {close[0]}?" if close else ""
        raise UsageError(f"no General MIDI instrument is named {instrument_name!r}{hint}") from error
