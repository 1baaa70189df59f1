"""The musician: hears the human, knows when a phrase will have ended, and has an answer to it.

Listen, predict and play wired together, without a clock, a port or a file; `daemon` runs it live, `replay` again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from improv.events import ControlChange, Event, Note
from improv.listen.phrase import Call, PhraseListener, Silence
from improv.listen.tracker import PEDAL_DOWN, Change, NoteTracker
from improv.listen.window import NoteWindow
from improv.play.planner import Brief, compose
from improv.play.turns import Answer, AnswerLimits
from improv.predict.engine import Engine, Taste
from improv.settings import Settings


@dataclass(frozen=True, slots=True)
class Manner:
    """How this musician listens and answers. `end_control`: a pedal or controller that ends the phrase when down."""

    silence: Silence = field(default_factory=Silence)
    limits: AnswerLimits = field(default_factory=AnswerLimits)
    taste: Taste = field(default_factory=Taste)
    polyphony: int = 8
    end_control: int | None = None
    ghost_velocity: int = 12
    ghost_s: float = 0.06

    @classmethod
    def of(cls, settings: Settings) -> "Manner":
        """Return how the musician listens and answers under `settings`: seconds for milliseconds."""
        turns, controls, barge_in = settings.turns, settings.controls, settings.barge_in
        return cls(
            silence=Silence(
                shortest=turns.silence_min_ms / 1000,
                longest=turns.silence_max_ms / 1000,
                fixed=None if turns.silence_ms is None else turns.silence_ms / 1000,
                drone=turns.drone_s,
            ),
            limits=AnswerLimits(turns.min_answer_s, turns.max_answer_s),
            taste=Taste(controls.temperature, controls.top_p, controls.lowest, controls.highest),
            polyphony=controls.polyphony,
            end_control=turns.end_control,
            ghost_velocity=barge_in.ghost_velocity,
            ghost_s=barge_in.ghost_ms / 1000,
        )


class Musician:
    """Feed it what the human does; ask it for the answer and the moment at which that is due.

    One owner: the brain's event loop. Nothing here blocks, but `thinking` computes in steps of about a millisecond.
    """

    def __init__(self, engine: Engine, manner: Manner, seed: int) -> None:
        self.engine = engine
        self._manner = manner
        self._seed = seed
        self._tracker = NoteTracker(manner.ghost_velocity, manner.ghost_s)
        self._window = NoteWindow(engine.info.window)
        self._phrase = PhraseListener(manner.silence)
        self._answer: Answer | None = None

    @property
    def revision(self) -> int:
        """Number of the window's present state."""
        return self._window.revision

    @property
    def deadline(self) -> float | None:
        """When the human's phrase ends (seconds) unless more is played; None before the first note."""
        return self._phrase.deadline

    @property
    def call(self) -> Call | None:
        """The human's phrase so far."""
        return self._phrase.call

    @property
    def holding(self) -> bool:
        """Whether the human holds a key."""
        return bool(self._tracker.held)

    def feed(self, at: float, port: str, event: Event) -> None:
        """Hear one event of the human, stamped `at` (seconds)."""
        self._hear(self._tracker.feed(at, port, event))
        match event:
            case ControlChange(control, value) if control == self._manner.end_control and value >= PEDAL_DOWN:
                self._phrase.end(at)

    def settle(self, now: float) -> None:
        """Count soft notes held until `now` (seconds)."""
        self._hear(self._tracker.settle(now))

    def release_all(self, at: float) -> None:
        """End the human's held notes at `at` (seconds): nobody will send their note-offs."""
        self._hear(self._tracker.release_all(at))

    def thinking(self) -> Iterator[Answer | None]:
        """Yield None while the answer to the phrase so far is written, then the answer. Nothing, before a phrase.

        An answer already written for the same window is given at once.
        """
        if self.written is not None:
            yield self.written
            return
        question = self.question()
        if question is None:
            return
        for result in compose(self.engine, *question):
            self._answer = result or self._answer
            yield result

    @property
    def written(self) -> Answer | None:
        """The answer to the phrase so far, if it has been written for the window as it is."""
        return self._answer if self._answer is not None and self.fits(self._answer) else None

    def fits(self, answer: Answer) -> bool:
        """Whether `answer` is one to the phrase so far, thought out from the window as it is."""
        return self.call is not None and (answer.revision, answer.number) == (self.revision, self.call.number)

    def question(self) -> tuple[list[Note], Brief] | None:
        """Return what an engine is asked, as `compose` takes it; None before a phrase."""
        call, deadline = self._phrase.call, self._phrase.deadline
        if call is None or deadline is None:
            return None
        heard = self._window.notes(deadline)
        return heard, self._brief(call, deadline, heard[-1])

    def take(self, answer: Answer) -> None:
        """Take over an answer that another engine has written to the same question."""
        self._answer = answer

    def answer(self) -> Answer | None:
        """Return the answer to the phrase so far, written to its end; None before a phrase."""
        return next((result for result in self.thinking() if result is not None), None)

    def _brief(self, call: Call, deadline: float, last: Note) -> Brief:
        manner = self._manner
        taste = manner.taste.after(max(0.0, deadline - last.onset))
        return Brief(call, manner.limits.length(call), taste, manner.polyphony, self._seed, self.revision)

    def _hear(self, changes: list[Change]) -> None:
        for change in changes:
            self._window.feed(change)
            self._phrase.feed(change)
