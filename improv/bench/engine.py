"""What a note costs to think: the numpy engine, next to the bare machine and to TensorFlow."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

from improv.bench.figures import Limit, Row, judged, not_run, percentile, spread
from improv.bench.worker import NotThereError, Worker

PERIOD_S = 0.02
_STEP = "one carried LSTM step with heads and sampling"
_WINDOW = "one note of the tutorial's network, its whole window of 25 notes"

_FLAGSHIP = "one note of the default network, carried, with heads and sampling"
_PHRASE = "an answer of 4 s of the default network"

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
            for name in ("step", "bare"):
                taken.setdefault(f"{name} paced", []).extend(numpy.ask(name, count=50, period=PERIOD_S))
        say("engine: the default network, on numpy and on Keras")
        keras = stack.enter_context(Worker("improv.bench.worker_keras"))
        flagship = [*_flagship(numpy, keras, rounds)]
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
    yield from _against_tensorflow(taken, lacks)
    yield from flagship


def _back_to_back(numpy: Worker, tensorflow: Worker, rounds: int, taken: Samples) -> str:
    """Measure everything in turn; return what is missing for TensorFlow."""
    lacks = ""
    for _ in range(rounds):
        for name, count in (("step", 200), ("bare", 1000), ("window", 50)):
            taken.setdefault(name, []).extend(numpy.ask(name, count=count))
        for name, count in (("predict", 8), ("compiled", 50), ("unrolled", 50)):
            try:
                taken.setdefault(name, []).extend([] if lacks else tensorflow.ask(name, count=count))
            except NotThereError as error:
                lacks = str(error)
    return lacks


def _flagship(numpy: Worker, keras: Worker, rounds: int) -> Iterator[Row]:
    """Yield what the default network costs on either engine, measured in turn once Keras is warm."""
    taken: dict[tuple[str, str], list[float]] = {}
    engines, device, lacks = {"numpy": numpy, "keras": keras}, "", ""
    try:
        device = keras.ask("device")
    except NotThereError as error:
        lacks = str(error)
        del engines["keras"]
    for _ in range(rounds):
        for name, engine in engines.items():
            taken.setdefault((name, "note"), []).extend(engine.ask("flagship", count=100))
            taken.setdefault((name, "paced"), []).extend(engine.ask("flagship", count=50, period=PERIOD_S))
            taken.setdefault((name, "phrase"), []).extend(engine.ask("phrase", count=5))
    limits = {"note": (Limit("p50", 0.4),), "paced": (Limit("p50", 1.0), Limit("p99", 3.0)), "phrase": ()}
    named = {"note": f"{_FLAGSHIP}, back to back", "paced": f"{_FLAGSHIP}, one every 20 ms", "phrase": _PHRASE}
    for what, text in named.items():
        yield judged(Row(f"{text}: numpy", "ms", spread(taken["numpy", what]), limits=limits[what]))
        if lacks:
            yield not_run(f"{text}: Keras", lacks)
        else:
            yield Row(f"{text}: Keras on {device}", "ms", spread(taken["keras", what]))


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
