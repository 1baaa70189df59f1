"""Keras' backend, set up for playing: TensorFlow, or whatever KERAS_BACKEND names."""

import os
from collections.abc import Callable
from typing import Any

# Before Keras or TensorFlow is imported: only what is fatal is logged.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras

from improv.errors import EngineError

Tensor = Any


def prepare(*, needs_gpu: bool = False) -> str:
    """Set TensorFlow up before it computes anything; return the device it will compute on, in words.

    One thread, for the jam needs the other cores, and only as much of a GPU's memory as it takes. Raises EngineError
    if it `needs_gpu` and TensorFlow sees none, and RuntimeError if TensorFlow has begun to compute.
    """
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    gpus = tf.config.list_physical_devices("GPU")
    if needs_gpu and not gpus:
        raise EngineError("finds no GPU that TensorFlow can use")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # noqa: FBT003
    if not gpus:
        return "CPU"
    return str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU"))


def be_exact() -> None:
    """Have products computed in full: no TensorFloat-32, and double precision where it is asked for."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(False)  # noqa: FBT003
    elif backend == "jax":
        import jax

        jax.config.update("jax_enable_x64", True)  # noqa: FBT003
        jax.config.update("jax_default_matmul_precision", "highest")


def has_gpu() -> bool:
    """Whether the backend computes on a GPU."""
    if keras.backend.backend() == "jax":
        import jax

        return bool(jax.default_backend() == "gpu")
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def compiled(function: Callable[..., Any], *, fused: bool = True) -> Callable[..., Any]:
    """Return a pure function of tensors compiled: once for each shape of its arguments.

    `fused`: TensorFlow hands the whole of it to XLA, which answers phrases in about two thirds of the time (on two busy
    cores), and takes a few seconds more to get warm.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False, jit_compile=fused)  # type: ignore[no-any-return]
    if backend == "jax":
        import jax

        return jax.jit(function)  # type: ignore[no-any-return]
    return function
