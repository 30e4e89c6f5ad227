"""Compare LiteRT and ONNX Runtime on one network: MobileNet V1 0.5/160 with random weights.

    python -m benchmarks.onnx_costs

Each engine runs on one thread, as a job runs it; rounds alternate, and the best one counts.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from imagebeam.beam_pipeline.training import building
from imagebeam.mobilenet_v1 import Architecture
from imagebeam.mobilenet_v1.layers import Phase, Rates
from imagebeam.mobilenet_v1.network import Network, rescale
from imagebeam.modules.engines import load_engine
from imagebeam.modules.module_options import ModuleOptions
from imagebeam.modules.open_module import compile_module, open_module

_PICTURES = 64
_ROUNDS = 7


def main() -> None:
    """Write the network in three forms, check that they agree, time them."""
    network = Network(Architecture(0.5, 160, 1001), seed=1)
    pixels = np.random.default_rng(0).integers(0, 256, (_PICTURES, 160, 160, 3), dtype=np.uint8)
    # One step of each phase, so that statistics and ranges are set.
    now = Rates(statistics=tf.constant(1.0), ranges=tf.constant(1.0))
    for phase in Phase:
        network.train(rescale(pixels[:8]), phase, now)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        building.export(network, folder / "module", None, {})
        _save_float(network, folder / "float")
        compile_module(str(folder / "float"), folder / "float.tflite")
        _write_onnx(network, folder / "module.onnx")
        range_ = ModuleOptions(value_range=(-1.0, 1.0))
        engines = {}
        for form, handle, options in (
            ("LiteRT, uint8", "module", ModuleOptions()),
            ("LiteRT, float32", "float.tflite", range_),
            ("ONNX Runtime, float32", "module.onnx", range_),
        ):
            module = open_module(str(folder / handle), options=options)
            engines[form] = load_engine(module.engine, module.path, module.info)
        answers = [engine.run(pixels).logits for engine in engines.values()]
        assert answers[1] is not None
        assert answers[2] is not None
        np.testing.assert_allclose(answers[1], answers[2], atol=1e-3)
        best = dict.fromkeys(engines, float("inf"))
        for _ in range(_ROUNDS):
            for form, engine in engines.items():
                start = time.thread_time()
                engine.run(pixels)
                best[form] = min(best[form], time.thread_time() - start)
    for form, seconds in best.items():
        print(f"{form:22} {1000 * seconds / _PICTURES:.2f} ms CPU per image")
    print(f"ONNX Runtime / LiteRT, float32: {best[form] / best['LiteRT, float32']:.2f}")


def _save_float(network: Network, folder: Path) -> None:
    spec = tf.TensorSpec([None, 160, 160, 3], tf.float32, name="images")

    def classify(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"default": network.infer(images, quantised=False)["Logits"]}

    traced = tf.function(classify, input_signature=[spec])
    tf.saved_model.save(network, str(folder), {"serving_default": traced})


def _write_onnx(network: Network, path: Path) -> None:
    nodes, constants, name = [], [], "images"
    constants += [numpy_helper.from_array(np.float32(value), f"{value}") for value in (0, 6)]

    def convolve(layer: str, kernel: np.ndarray, bias: np.ndarray, stride: int, groups: int) -> str:
        # SAME on even sizes with stride 2 pads at the bottom and right only.
        pads = {(3, 1): [1, 1, 1, 1], (3, 2): [0, 0, 1, 1]}.get((kernel.shape[2], stride), [0] * 4)
        constants.append(numpy_helper.from_array(kernel, f"{layer}/kernel"))
        constants.append(numpy_helper.from_array(bias, f"{layer}/bias"))
        inputs = [name, f"{layer}/kernel", f"{layer}/bias"]
        attributes = {"strides": [stride] * 2, "group": groups, "pads": pads}
        nodes.append(helper.make_node("Conv", inputs, [layer], **attributes))
        return layer

    for each in network.body:
        weights, bias = (value.numpy() for value in each.fold())
        depthwise = each.layer.kind == "depthwise"
        kernel = weights.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        groups = kernel.shape[0] if depthwise else 1
        name = convolve(
            each.layer.name, np.ascontiguousarray(kernel), bias, each.layer.stride, groups
        )
        nodes.append(helper.make_node("Clip", [name, "0", "6"], [f"{name}/relu6"]))
        name = f"{name}/relu6"
    nodes.append(helper.make_node("GlobalAveragePool", [name], ["pool"]))
    name = "pool"
    kernel = np.ascontiguousarray(network.logits.weights.numpy().transpose(3, 2, 0, 1))
    name = convolve("logits", kernel, network.logits.biases.numpy(), 1, 1)
    nodes.append(helper.make_node("Flatten", [name], ["out"]))
    graph = helper.make_graph(
        nodes,
        "mobilenet_v1",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 160, 160])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 1001])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


if __name__ == "__main__":
    main()
