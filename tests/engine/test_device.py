import sys

import pytest

from improv.engine import device
from improv.engine.device import check, gpu_visible
from improv.errors import EngineError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TensorFlow knows GPUs on Linux alone")


@pytest.fixture(autouse=True)
def nothing_hidden(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(("name", "visible"), [("nvidia0", True), ("dxg", True), ("nvidiactl", False), ("dri", False)])
def test_a_gpu_is_a_device_of_the_driver(tmp_path, name, visible):
    (tmp_path / name).touch()
    assert gpu_visible(tmp_path) is visible


@pytest.mark.parametrize(("hidden", "visible"), [("", False), ("-1", False), ("0", True), ("1,0", True)])
def test_a_gpu_can_be_hidden(tmp_path, monkeypatch, hidden, visible):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert gpu_visible(tmp_path) is visible


def test_an_engine_that_cannot_be_had_is_refused_with_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "_DEVICES", tmp_path)
    monkeypatch.setattr(device.gpu_visible, "__defaults__", (tmp_path,))
    check("auto")
    check("numpy")
    with pytest.raises(EngineError, match=r"none is visible here.*install improv\[gpu\]"):
        check("gpu")
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(device, "find_spec", lambda _name: None)
    with pytest.raises(EngineError, match=r"TensorFlow for GPUs, which is not installed: install improv\[gpu\]"):
        check("gpu")
    with pytest.raises(EngineError, match=r"install improv\[train\]"):
        check("keras")


@pytest.mark.parametrize(("built", "usable"), [("True", True), ("False", False)])
def test_a_tensorflow_that_was_built_without_gpus_is_no_use(tmp_path, monkeypatch, built, usable):
    package = tmp_path / "tensorflow"
    (package / "python" / "platform").mkdir(parents=True)
    (package / "__init__.py").touch()
    facts = f"build_info = collections.OrderedDict([('is_cuda_build', {built}), ('is_rocm_build', False)])"
    (package / "python" / "platform" / "build_info.py").write_text(facts)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr("sys.path_importer_cache", {})
    assert device.tensorflow_has_cuda() is usable
    if not usable:
        (tmp_path / "nvidia0").touch()
        monkeypatch.setattr(device.gpu_visible, "__defaults__", (tmp_path,))
        with pytest.raises(EngineError, match=r"which was built without GPUs: install improv\[gpu\]"):
            check("gpu")
