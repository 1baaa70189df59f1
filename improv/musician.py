"""The musician: hears the human, knows what should be played next and from when on, and writes it.

Listen, predict and play wired together, without a clock, a port or a file; `daemon` runs it live, `replay` again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf

import numpy as np

from improv.beat import Grid
from improv.events import ControlChange, Event, Note, NoteOff, NoteOn
from improv.listen.key import Key, KeyListener, key_bias
from improv.listen.phrase import Call, PhraseListener, Silence
from improv.listen.tracker import PEDAL_DOWN, Change, NoteTracker, Onset
from improv.listen.window import NoteWindow
from improv.play.candidates import compose_many
from improv.play.groove import swing_of
from improv.play.modes import POLICIES, TRANSITIONS, Cue, Leaving, Scene
from improv.play.planner import Brief, Pulse
from improv.play.turns import Answer, AnswerLimits, Voice
from improv.predict.encoding import FloatArray, notes_to_array
from improv.predict.engine import Engine, Taste
from improv.predict.engines import in_style
from improv.predict.learning import Learner
from improv.predict.memory import Memory, Recall
from improv.settings import Controls, Settings

# A beat that moves by less than this (seconds) over the next bar is the same beat: nothing is written anew for it.
STEADY_S = 0.03
# A stream that is not gone on with for so long (seconds) is over.
_STREAM_OVER_S = 1.0
# A part that ends this near (beats) a beat ends on it.
_NEXT_TO = 0.1
# Of our own notes, those that a stream looks back on.
_OWN_KEPT = 64
# A duet keeps this far (semitones) from the middle of what the player plays.
_APART = 5
_ROOM = 12
# … and plays fewer voices.
_DUET_VOICES = 3
# In a stream, over the last seconds, about so many chords and notes of ours come for each of the player's.
_OURS_FOR_THEIRS = {"duet": 0.7, "solo": 1.2}
_LOOKS_BACK_S = 4.0
_SPARSEST = 0.25
_CHORD_S = 0.04


@dataclass(frozen=True, slots=True)
class Manner:
    """How this musician listens and answers. `end_control`: a pedal or controller that ends the phrase when down."""

    silence: Silence = field(default_factory=Silence)
    limits: AnswerLimits = field(default_factory=AnswerLimits)
    controls: Controls = field(default_factory=Controls)
    channel: int = 0
    end_control: int | None = None
    ghost_velocity: int = 12
    ghost_s: float = 0.06

    @classmethod
    def of(cls, settings: Settings) -> "Manner":
        """Return how the musician listens and answers under `settings`: seconds for milliseconds."""
        turns, barge_in = settings.turns, settings.barge_in
        return cls(
            silence=Silence(
                shortest=turns.silence_min_ms / 1000,
                longest=turns.silence_max_ms / 1000,
                fixed=None if turns.silence_ms is None else turns.silence_ms / 1000,
                drone=turns.drone_s,
            ),
            limits=AnswerLimits(turns.min_answer_s, turns.max_answer_s),
            controls=settings.controls,
            channel=settings.ports.output_channel - 1,
            end_control=turns.end_control,
            ghost_velocity=barge_in.ghost_velocity,
            ghost_s=barge_in.ghost_ms / 1000,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """What an engine is asked, as `compose` takes it: what was heard, and what the answer should be.

    `cue` and `grid` are what it was made for: together with the revision they make the same question again.
    """

    cue: Cue
    grid: Grid | None
    heard: list[Note]
    brief: Brief
    recall: Recall | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """An answer, the question it was written to, and of how many candidates it is the best."""

    question: Question
    answer: Answer
    count: int = 1


@dataclass(slots=True)
class _Stream:
    """Something of ours that goes on, planned until `until` (seconds). `turn` None: it has been silent so far.

    `phrase`: the player's last when it began. `opens_at`: what has not begun by then may still be written anew.
    """

    turn: int | None
    until: float
    phrase: int
    opens_at: float = -inf


class Musician:
    """Feed it what the human does; ask it what is to be played, and from when on.

    Everything that it knows comes in by a method; the same calls in the same order make the same music. One owner: the
    brain's event loop. Nothing here blocks, but `thinking` computes in steps of about a millisecond.
    """

    def __init__(self, engine: Engine, manner: Manner, seed: int, memory: Memory | None = None) -> None:
        self.engine = engine
        self.memory = memory or Memory()
        self._learner = Learner(engine, self.memory)
        self._unlearned: list[FloatArray | None] = []  # notes of the player, and (None) where phrases begin
        self._begins = True  # whether the last note began a phrase
        self._learns = True  # whether it was heard to be learned
        self.controls = manner.controls
        self.grid: Grid | None = None
        self._manner = manner
        self._seed = seed
        self._tracker = NoteTracker(manner.ghost_velocity, manner.ghost_s)
        self._window = NoteWindow(engine.info.window)
        self._phrase = PhraseListener(manner.silence)
        self._key = KeyListener()
        self._written: Written | None = None
        self._changes = 0
        self._own_changes = 0
        self._spent = 0
        self._parts = 0
        self._origin: float | None = None
        self._stream: _Stream | None = None
        self._own: list[Note] = []
        self._is_held = False

    # ---- what it knows ------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        """Number of what is known now, as far as it matters to what is written."""
        return self.news + self._own_changes

    @property
    def news(self) -> int:
        """Number of what is known now but for what we play: only that asks for something new to be written."""
        return self._window.revision + self._changes

    @property
    def deadline(self) -> float | None:
        """When the human's phrase ends (seconds) unless more is played; None before the first note."""
        return self._phrase.deadline

    @property
    def call(self) -> Call | None:
        """The human's phrase so far."""
        return self._phrase.call

    @property
    def key(self) -> Key | None:
        """The key that is played in: what was set, or what is heard; None where there is none."""
        match self.controls.key:
            case "none":
                return None
            case "auto":
                return self._key.key
            case name:
                return Key.parse(name)

    @property
    def holding(self) -> bool:
        """Whether the human holds a key."""
        return bool(self._tracker.held)

    @property
    def voice(self) -> Voice:
        """How notes sound in the end."""
        return Voice(self._manner.channel, self.controls.transpose, self.controls.level)

    @property
    def hears(self) -> tuple[int, int]:
        """The lowest and the highest pitch that are listened to."""
        split = self.controls.split
        if split is None:
            return 0, 127
        return (split, 127) if self.controls.split_side == "above" else (0, max(0, split - 1))

    # ---- what it is told ----------------------------------------------------------------------

    def feed(self, at: float, port: str, event: Event) -> None:
        """Hear one event of the human, stamped `at` (seconds)."""
        lowest, highest = self.hears
        if isinstance(event, NoteOn | NoteOff) and not lowest <= event.pitch <= highest:
            return
        self._hear(self._tracker.feed(at, port, event))
        match event:
            case ControlChange(control, value) if control == self._manner.end_control and value >= PEDAL_DOWN:
                self.take_over(at)

    def settle(self, now: float) -> None:
        """Count soft notes held until `now` (seconds)."""
        self._hear(self._tracker.settle(now))

    def release_all(self, at: float) -> None:
        """End the human's held notes at `at` (seconds): nobody will send their note-offs."""
        self._hear(self._tracker.release_all(at))

    def steer(self, at: float, controls: Controls) -> Leaving:
        """Take over other controls at `at` (seconds); return what becomes of the turn under way."""
        before, self.controls = self.controls, controls
        if (before.split, before.split_side) != (controls.split, controls.split_side):
            self.release_all(at)
        self._changes += 1
        if controls.style != before.style:
            self.engine = in_style(self.engine, controls.style)
        if (controls.mode, controls.mute) != (before.mode, before.mute):
            # A phrase that is over has had its turn, but a stream is joined at once.
            self._leave(at)
            self._spent -= controls.mode in {"solo", "duet"}
            self._origin = None
        leaving = Leaving.DROP if controls.mute else TRANSITIONS[before.mode][controls.mode]
        if leaving is Leaving.DROP:
            self._stream = None  # here and now: when nothing more of it begins, another mode may have begun
        return leaving

    def beat(self, grid: Grid | None) -> None:
        """Hear where the beat is, None: there is none."""
        before, self.grid = self.grid, grid
        if grid is None:
            self._origin = None
        elif before is not None:
            self._move_stream(before, grid)
            if self._origin is not None:  # a song that loops begins no trade anew
                self._origin += round(grid.beat - before.beat_at(grid.at))
        if not _is_steady(before, grid):
            self._changes += 1

    @property
    def is_held(self) -> bool:
        """Whether a pedal holds the human's turn."""
        return self._is_held

    @property
    def trades(self) -> bool:
        """Whether the bars of a trade have been counted off."""
        return self._origin is not None

    def begin_trade(self, beat: float) -> None:
        """Let the human's bars of a trade begin at `beat`, ours after them."""
        self._origin = beat
        self._changes += 1

    def take_over(self, at: float) -> None:
        """End the human's phrase at `at` (seconds): it is our turn."""
        self._phrase.end(at)
        if self.controls.mode == "trade" and self._origin is not None and self.grid is not None:
            self.begin_trade(self.grid.next(at, self.grid.bar) - self._span)

    def leave_what_is_over(self, at: float) -> None:
        """Give no answer to a phrase that has ended by `at` (seconds): its moment is gone."""
        self._leave(at)

    def hold(self, at: float, *, down: bool) -> None:
        """Leave the human's phrase open from `at` (seconds) on, or let it end: it is, or was, still their turn."""
        self._phrase.keep_open(at, is_open=down)
        self._is_held = down

    def yield_now(self, at: float) -> None:
        """Leave it to the human at `at` (seconds): nothing more is played before the next phrase."""
        self._spent = self._last_phrase
        if self.controls.mode == "trade" and self._origin is not None and self.grid is not None:
            self.begin_trade(self.grid.next(at, self.grid.bar))

    def accepted(self, turn: int, at: float, cue: Cue, answer: Answer, start: float) -> None:
        """Know, from `at` (seconds) on, that `answer` will be played as `turn`, beginning at `start`."""
        if not cue.streams:
            return
        if not cue.joins:  # it takes the place of what had not begun
            self._own = [note for note in self._own if note.onset < at]
        phrase = self._last_phrase if self._stream is None or not cue.joins else self._stream.phrase
        self._stream = _Stream(turn, self._on_beat(start + cue.length), phrase, start if cue.opens else -inf)
        self._parts = max(self._parts, cue.number)
        self._own += [replace(note, onset=start + note.onset) for note in answer.notes]
        del self._own[:-_OWN_KEPT]
        self._own_changes += 1

    def passed(self, cue: Cue, start: float) -> None:
        """Know that a part of a stream stays empty."""
        phrase = self._last_phrase if self._stream is None else self._stream.phrase
        self._stream = _Stream(self.stream, self._on_beat(start + cue.length), phrase)
        self._parts = max(self._parts, cue.number)

    def began(self, number: int) -> None:
        """Know that what was written for the phrase `number` has begun to sound."""
        if self.controls.mode == "answer":
            self._spent = max(self._spent, number)

    def over(self, turn: int, at: float) -> None:
        """Know that `turn` has come to an early end at `at` (seconds)."""
        if self._stream is not None and self._stream.turn == turn:
            self.over_all(at)

    def over_all(self, at: float) -> None:
        """Know that whatever of ours was under way has come to an early end at `at` (seconds)."""
        stream, self._stream = self._stream, None
        if stream is not None and stream.opens_at <= at:
            # The note that ended a solo has begun a phrase of its own, which has its turn yet.
            over = self._last_phrase if self.controls.mode == "duet" else stream.phrase
            self._spent = max(self._spent, over)
        kept = [note for note in self._own if note.onset < at]
        self._own_changes += kept != self._own
        self._own = kept

    # ---- what it would play -------------------------------------------------------------------

    def cue(self, now: float) -> Cue | None:
        """Return what is to be written next, as it looks at `now` (seconds); None if there is nothing."""
        if self.controls.mute or self._is_held:
            return None
        return POLICIES[self.controls.mode](self.scene(now))

    def scene(self, now: float) -> Scene:
        """Return what the modes decide upon, at `now` (seconds)."""
        if self._stream is not None and now > self._stream.until + _STREAM_OVER_S:
            self._stream = None
        grid = self.grid
        # What has not begun may still be written anew.
        stream = None if self._stream is None or self._stream.opens_at > now else self._stream
        return Scene(
            now=now,
            call=self._phrase.call,
            deadline=self._phrase.deadline,
            grid=grid,
            every=1.0 if grid is None or self.controls.start == "beat" else grid.bar,
            limits=self._manner.limits,
            spent=self._spent,
            until=None if stream is None else stream.until,
            parts=self._parts,
            origin=self._origin,
            span=self._span,
        )

    @property
    def stream(self) -> int | None:
        """The turn that goes on, if there is one."""
        return None if self._stream is None else self._stream.turn

    def ask(self, cue: Cue, grid: Grid | None) -> Question | None:
        """Return what an engine is asked for `cue` with the beat in `grid`; None before a phrase."""
        call = self._phrase.call
        if call is None:
            return None
        heard = self._window.notes(cue.start)
        if cue.streams:
            own = [_until(note, cue.start) for note in self._own if note.onset < cue.start]
            heard = sorted([*heard, *own], key=lambda note: note.onset)[-self.engine.info.window :]
        self.learn()
        recall = self.memory.recall(notes_to_array(heard), 1, self.controls.memory)
        return Question(cue, grid, heard, self._brief(call, cue, grid, heard), recall)

    def thinking(self, question: Question, count: int = 1) -> Iterator[Written | None]:
        """Yield None while an answer is written, then the answer; then, of up to `count`, the best so far.

        One that has already been written, knowing the same, is given at once, and is all.
        """
        written = self.written(question.cue)
        if written is not None:
            yield written
            return
        for choice in compose_many(self.engine, question.heard, question.brief, count, question.recall):
            if choice is None:
                yield None
            else:
                self._written = Written(question, choice.answer, choice.count)
                yield self._written

    def written(self, cue: Cue) -> Written | None:
        """Return the answer for `cue`, if it has been written from what is known now."""
        return self._written if self._written is not None and self.fits(self._written.answer, cue) else None

    def fits(self, answer: Answer, cue: Cue) -> bool:
        """Say whether `answer` is one for `cue`, thought out from what is known now."""
        return (answer.revision, answer.number) == (self.revision, cue.number)

    def take(self, question: Question, answer: Answer) -> None:
        """Take over an answer that another engine has written."""
        self._written = Written(question, answer)

    def answer(self, now: float = -inf) -> Answer | None:
        """Return what is to be played next, as it looks at `now`, written to its end; None if there is nothing."""
        cue = self.cue(now)
        question = None if cue is None else self.ask(cue, self.grid)
        if question is None:
            return None
        return next((written.answer for written in self.thinking(question) if written is not None), None)

    # ---- in detail ----------------------------------------------------------------------------

    def _leave(self, at: float) -> None:
        deadline = self._phrase.deadline
        is_over = deadline is None or deadline <= at
        self._spent = max(self._spent, self._last_phrase - (not is_over))

    def _move_stream(self, before: Grid, after: Grid) -> None:
        """Let what is planned of a stream keep its place in beats, as the ports process has it do."""
        stream = self._stream
        if stream is not None:
            self._stream = replace(
                stream, until=before.moves(stream.until, after), opens_at=before.moves(stream.opens_at, after)
            )

    def _on_beat(self, at: float) -> float:
        """Return the beat that `at` is next to, if it is: a part was measured in the beats of a moment before."""
        if self.grid is None:
            return at
        beat = self.grid.beat_at(at)
        return self.grid.time_at(round(beat)) if abs(beat - round(beat)) < _NEXT_TO else at

    @property
    def _last_phrase(self) -> int:
        return 0 if self._phrase.call is None else self._phrase.call.number

    @property
    def _span(self) -> float:
        bar = self.controls.beats_per_bar if self.grid is None else self.grid.bar
        return float(self.controls.trade_bars * bar)

    def _brief(self, call: Call, cue: Cue, grid: Grid | None, heard: list[Note]) -> Brief:
        controls = self.controls
        return Brief(
            call,
            cue.length,
            self._taste(cue, heard),
            min(controls.polyphony, _DUET_VOICES) if controls.mode == "duet" else controls.polyphony,
            self._seed,
            self.revision,
            number=cue.number,
            part=cue.number if cue.streams else 0,
            opens=cue.opens,
            pulse=self._pulse(cue, grid, heard),
        )

    def _taste(self, cue: Cue, heard: list[Note]) -> Taste:
        controls = self.controls
        lowest, highest = self._register()
        elapsed = max(0.0, cue.start - heard[-1].onset)
        bias = key_bias(self.key, controls.key_strength, self._key.recent)
        return Taste(controls.temperature, controls.top_p, lowest, highest, elapsed, bias, self._density(cue.start))

    def _register(self) -> tuple[int, int]:
        """Return the lowest and highest pitch to play; a duet leaves the player's own place to the player."""
        lowest, highest = self.controls.lowest, self.controls.highest
        pitches = sorted(note.pitch for note in self._window.notes(inf))
        if self.controls.mode != "duet" or not pitches:
            return lowest, highest
        middle = pitches[len(pitches) // 2]
        below, above = (lowest, middle - _APART), (middle + _APART, highest)
        low, high = max(below, above, key=lambda side: side[1] - side[0])
        return (low, high) if high - low >= _ROOM else (lowest, highest)

    def _density(self, start: float) -> float:
        """Return the density asked for; in a stream one that keeps us from outnumbering the player."""
        measure = _OURS_FOR_THEIRS.get(self.controls.mode)
        call = self._phrase.call
        if measure is None or call is None:
            return self.controls.density
        until = start if self.controls.mode == "duet" else call.end
        theirs = _chords(self._window.notes(until), until)
        share = (measure * theirs + 1) / (_chords(self._own, start) + 1)
        return min(max(self.controls.density * share, _SPARSEST), self.controls.density)

    def _pulse(self, cue: Cue, grid: Grid | None, heard: list[Note]) -> Pulse | None:
        if grid is None:
            return None
        swing = swing_of([note.onset for note in heard], grid)
        return Pulse(grid, grid.beat_at(cue.start), self.controls.quantise, swing)

    @property
    def behind(self) -> int:
        """How much of what has been heard the memory has not learned yet."""
        return len(self._unlearned)

    def learn(self, limit: int | None = None) -> None:
        """Let the memory learn what has been heard, or `limit` notes of it: a step of the engine for each."""
        unlearned, self._unlearned = self._unlearned[:limit], [] if limit is None else self._unlearned[limit:]
        for note in unlearned:
            if note is None:
                self._learner.begin_phrase()
            else:
                self._learner.hear(note[None])

    def forget(self, at: float, *, everything: bool) -> None:
        """Forget the human's last phrase, or (`everything`) all that was ever heard of them, at `at` (seconds)."""
        self.learn()
        if everything:
            self.memory.forget_all()
        else:
            self.memory.forget_last()
        self._learner = Learner(self.engine, self.memory)
        self._begins = True
        self._leave(at)
        self._changes += 1

    def _hear(self, changes: list[Change]) -> None:
        for change in changes:
            phrase = self._last_phrase
            if isinstance(change, Onset):
                self._remember(change.at)
            self._window.feed(change)
            self._phrase.feed(change)
            self._key.feed(change)
            self._begins |= phrase != self._last_phrase

    def _remember(self, onset: float) -> None:
        """Keep the last note for the memory to learn, now that another one begins: it has sounded this long."""
        *_, before, last = [None, None, *self._window.notes(onset)]
        learns, self._learns = self._learns, not self.controls.freeze
        if last is None or not learns:
            self._begins = True
            return
        if self._begins:
            self._unlearned.append(None)
            self._begins = False
        step = 0.0 if before is None else last.onset - before.onset
        self._unlearned.append(np.array([last.pitch, step, last.duration, last.velocity], np.float32))


def _chords(notes: list[Note], end: float) -> int:
    """Return how many chords or single notes begin in the last seconds before `end` (seconds)."""
    onsets = sorted(note.onset for note in notes if end - _LOOKS_BACK_S <= note.onset < end)
    return sum(now - before >= _CHORD_S for before, now in pairwise([-inf, *onsets]))


def _until(note: Note, end: float) -> Note:
    return replace(note, duration=min(note.duration, end - note.onset))


def _is_steady(before: Grid | None, after: Grid | None) -> bool:
    if before is None or after is None:
        return before is after
    bar = after.time_at(after.beat + after.bar)
    return before.bar == after.bar and all(
        abs(before.time_at(after.beat_at(at)) - at) < STEADY_S for at in (after.at, bar)
    )
