"""Learn from the player: a state carried through all that is heard says how the bare network had foreseen each note."""

from dataclasses import dataclass

from improv.predict.encoding import PITCH, STEP, FloatArray
from improv.predict.engine import Engine, State
from improv.predict.memory import Memory
from improv.predict.sequence_engine import SequenceEngine


@dataclass(slots=True)
class Learner:
    """Feeds `memory` with the player's notes. One owner; one step of the engine a note, so not in the input's path.

    Of an engine that gives no distribution of the step, only the notes are remembered, and trust stays as it is.
    """

    engine: Engine
    memory: Memory
    _state: State | None = None

    def hear(self, notes: FloatArray) -> None:
        """Learn `notes` (n, 4) of the player, the next after those learned; durations may still be so far."""
        for note in notes:
            step_logits = pitch_logits = None
            if isinstance(self.engine, SequenceEngine):
                if self._state is not None:
                    steps, pitches = self.engine.foreseen(self._state, note[None])
                    step_logits, pitch_logits = steps[0], pitches[0]
                    self._state = self.engine.advance(self._state, note[None])
                else:
                    self._state = self.engine.prime(note[None])
            self.memory.heard(int(note[PITCH]), float(note[STEP]), step_logits, pitch_logits)

    def begin_phrase(self) -> None:
        """Say that what is heard next is a new phrase."""
        self.memory.begin_phrase()
