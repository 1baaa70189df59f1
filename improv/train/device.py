"""Load Keras without its greetings, and say on what it will train."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module


def prepare() -> str:
    """Load Keras on the backend that KERAS_BACKEND names, and return in words what trains.

    A GPU that is visible is used; under TensorFlow only as much of its memory as is needed. Raises ImportError.
    """
    # TensorFlow writes pages on what it is compiled for, some of them before it reads this.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silence():
        keras = import_module("keras")
        backend = str(keras.backend.backend())
        if backend == "tensorflow":
            _leave_memory()
        devices = [str(device) for device in keras.distribution.list_devices()]
    kinds = sorted({device.partition(":")[0] for device in devices})
    count = f"{os.cpu_count()} cores" if kinds == ["cpu"] else f"{len(devices)} visible"
    return f"{', '.join(kinds).upper()} ({count}), Keras {keras.__version__} on {backend}"


def _leave_memory() -> None:
    tensorflow = import_module("tensorflow")
    for gpu in tensorflow.config.list_physical_devices("GPU"):
        tensorflow.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003 - its API


@contextmanager
def _silence() -> Iterator[None]:
    """Send what native code writes to standard error to nowhere; exceptions come through."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
