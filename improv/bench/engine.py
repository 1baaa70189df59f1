"""What a note costs to think: the numpy engine, next to the bare machine and to TensorFlow."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from improv.bench.figures import Limit, Row, judged, not_run, percentile, spread
from improv.bench.worker import NotThereError, Worker

PERIOD_S = 0.02
_STEP = "one carried step of the tutorial's network with heads and sampling"
_DEFAULT = "one carried step of the default model with heads and sampling"
_WINDOW = "one note of the tutorial's network, its whole window of 25 notes"
_PHRASE = "an answer of 4 s of the default model"

Samples = dict[str, list[float]]


def measure(rounds: int, say: Callable[[str], None]) -> Iterator[Row]:
    """Yield the engine's rows; what is compared is measured in alternating blocks, `rounds` times."""
    taken: Samples = {}
    with ExitStack() as stack:
        numpy = stack.enter_context(Worker("improv.bench.worker_engine"))
        tensorflow = stack.enter_context(Worker("improv.bench.worker_tensorflow"))
        say("engine: back to back")
        lacks = _back_to_back(numpy, tensorflow, rounds, taken)
        tensorflow.close()
        say("engine: one note every 20 ms")
        for _ in range(rounds):
            for name in ("step", "bare", "default", "default bare"):
                taken.setdefault(f"{name} paced", []).extend(numpy.ask(name, count=50, period=PERIOD_S))
        say("engine: the default model, on numpy and on Keras")
        keras = stack.enter_context(Worker("improv.bench.worker_keras"))
        on_keras = [*_on_keras(numpy, keras, rounds)]
    yield judged(
        Row(
            f"{_STEP}, back to back",
            "ms",
            spread(taken["step"]),
            spread(taken["bare"]),
            (Limit("p50", 0.1),),
            "bare: a step's arithmetic in numpy, with nothing around it",
        )
    )
    yield judged(
        Row(
            f"{_STEP}, one every 20 ms",
            "ms",
            spread(taken["step paced"]),
            spread(taken["bare paced"]),
            (Limit("p50", 0.4), Limit("p99", 2.0)),
        )
    )
    yield judged(Row(f"{_WINDOW}, back to back", "ms", spread(taken["window"]), limits=(Limit("p50", 1.2),)))
    yield from _default(taken)
    yield from _against_tensorflow(taken, lacks)
    yield from on_keras


def _back_to_back(numpy: Worker, tensorflow: Worker, rounds: int, taken: Samples) -> str:
    """Measure everything in turn; return what is missing for TensorFlow."""
    lacks = ""
    for _ in range(rounds):
        for name, count in (("step", 200), ("bare", 1000), ("window", 50), ("default", 200), ("default bare", 200)):
            taken.setdefault(name, []).extend(numpy.ask(name, count=count))
        for name, count in (("predict", 8), ("compiled", 50), ("unrolled", 50)):
            try:
                taken.setdefault(name, []).extend([] if lacks else tensorflow.ask(name, count=count))
            except NotThereError as error:
                lacks = str(error)
    return lacks


def _default(taken: Samples) -> Iterator[Row]:
    for what, kind, limits in (
        ("back to back", "", (Limit("p50", 0.4),)),
        ("one every 20 ms", " paced", (Limit("p50", 1.0), Limit("p99", 3.0))),
    ):
        samples, floor = (spread(taken[name + kind]) for name in ("default", "default bare"))
        yield judged(Row(f"{_DEFAULT}, {what}", "ms", samples, floor, limits))


def _on_keras(numpy: Worker, keras: Worker, rounds: int) -> Iterator[Row]:
    """Yield what the default model costs on Keras, once that is warm, and what an answer costs on either engine."""
    taken: Samples = {}
    device, lacks = "", ""
    try:
        device = keras.ask("device")
    except NotThereError as error:
        lacks = str(error)
    for _ in range(rounds):
        taken.setdefault("numpy phrase", []).extend(numpy.ask("phrase", count=5))
        for name, task, asked in (
            ("note", "default", {"count": 100}),
            ("paced", "default", {"count": 50, "period": PERIOD_S}),
            ("phrase", "phrase", {"count": 5}),
        ):
            taken.setdefault(name, []).extend([] if lacks else keras.ask(task, **asked))
    yield Row(f"{_PHRASE}: numpy", "ms", spread(taken["numpy phrase"]))
    for text, name in (
        (f"{_DEFAULT}, back to back", "note"),
        (f"{_DEFAULT}, one every 20 ms", "paced"),
        (_PHRASE, "phrase"),
    ):
        if lacks:
            yield not_run(f"{text}: Keras", lacks)
        else:
            yield Row(f"{text}: Keras on {device}", "ms", spread(taken[name]))


def _against_tensorflow(taken: Samples, lacks: str) -> Iterator[Row]:
    promises = [
        (f"{_STEP}: times less than `model.predict`", "step", "predict", Limit("p50", 500, least=True)),
        ("the whole window: times less than `model.predict`", "window", "predict", Limit("p50", 50, least=True)),
        ("the whole window: times less than compiled in TensorFlow", "window", "compiled", Limit("p50", 1, least=True)),
    ]
    if lacks:
        yield from (not_run(what, lacks) for what, *_ in promises)
        return
    yield Row("the tutorial's own `model.predict`, a note", "ms", spread(taken["predict"]))
    # Keras' loop, or unrolled: whichever is faster here.
    taken["compiled"] = min(taken["compiled"], taken["unrolled"], key=lambda samples: percentile(samples, 50))
    yield Row("the same window compiled in TensorFlow (`tf.function`, warmed up)", "ms", spread(taken["compiled"]))
    for what, ours, theirs, limit in promises:
        ratio = percentile(taken[theirs], 50) / percentile(taken[ours], 50)
        yield judged(Row(what, "times", {"p50": ratio}, limits=(limit,)))
