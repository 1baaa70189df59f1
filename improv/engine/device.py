"""Whether a GPU can be used, found out without loading TensorFlow: in under a millisecond, and before a port opens."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from improv.errors import EngineError

_DEVICES = Path("/dev")
# What hides GPUs from a program; a list of none hides them all.
_HIDDEN = "CUDA_VISIBLE_DEVICES"


def gpu_visible(devices: Path = _DEVICES) -> bool:
    """Whether this machine has a GPU that TensorFlow could compute on, and it is not hidden from us."""
    if sys.platform != "linux" or os.environ.get(_HIDDEN, "0").strip() in {"", "-1", "NoDevFiles"}:
        return False  # TensorFlow knows NVIDIA's alone, on Linux alone
    # /dev/dxg: Windows' Subsystem for Linux, which passes on whatever GPU there is.
    return any(devices.glob("nvidia[0-9]*")) or (devices / "dxg").exists()


def keras_installed() -> bool:
    """Whether TensorFlow is there at all."""
    return find_spec("tensorflow") is not None


def tensorflow_has_cuda() -> bool:
    """Whether the TensorFlow that is installed was built for GPUs."""
    spec = find_spec("tensorflow")
    if spec is None or spec.origin is None:
        return False
    try:
        facts = Path(spec.origin).with_name("python").joinpath("platform", "build_info.py").read_text(encoding="utf-8")
    except OSError:
        return True  # it does not say: its own process will
    return "'is_cuda_build', False" not in facts


def gpu_usable() -> bool:
    """Whether a GPU is visible, and a TensorFlow installed that can use it."""
    return gpu_visible() and tensorflow_has_cuda()


def check(engine: str) -> None:
    """Raise EngineError if `engine`, as the settings have it, cannot be had on this machine."""
    if engine == "keras" and not keras_installed():
        raise EngineError("the engine keras needs TensorFlow, which is not installed: install improv[train]")
    if engine == "gpu" and not gpu_visible():
        raise EngineError(
            "the engine gpu needs a GPU, and none is visible here: no NVIDIA device, or CUDA_VISIBLE_DEVICES hides it. "
            "With one, install improv[gpu]; without, leave --engine at auto"
        )
    if engine == "gpu" and not tensorflow_has_cuda():
        what = "which was built without GPUs" if keras_installed() else "which is not installed"
        raise EngineError(f"the engine gpu needs TensorFlow for GPUs, {what}: install improv[gpu]")
