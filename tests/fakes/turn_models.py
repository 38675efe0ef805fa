"""Small turn models, real ONNX files: by tone, by a constant, and some that do not fit.

A turn is complete for the tonal one when its last sound was low: a hum, not a whistle.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["constant", "frames", "only_silence", "slow", "tonal"]


def _save(
    path: Path, nodes: list[Any], constants: dict[str, Any], *, name: str, shape: list[Any], kind: int, out: list[Any]
) -> Path:
    """A model of one input; its output is `out`."""
    graph = helper.make_graph(
        nodes,
        "turn",
        [helper.make_tensor_value_info(name, kind, shape)],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _model(path: Path, nodes: list[Any], constants: dict[str, Any], **other: Any) -> Path:
    usual = {"name": "input_features", "shape": ["batch", 80, 800], "kind": TensorProto.FLOAT, "out": ["rows", 1]}
    return _save(path, nodes, constants, **{**usual, **other})


def tonal(path: Path) -> Path:
    """The probability is near 1 when bands below 600 Hz were louder in the last 0.6 s than those above 2 kHz."""
    weights = np.zeros((1, 80, 800), dtype=np.float32)
    weights[:, :15, -60:] = 1 / (15 * 60)
    weights[:, 45:60, -60:] = -1 / (15 * 60)
    nodes = [
        helper.make_node("Mul", ["input_features", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axes"], ["contrast"], keepdims=0),
        helper.make_node("Mul", ["contrast", "gain"], ["steep"]),
        helper.make_node("Sigmoid", ["steep"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["out"]),
    ]
    constants = {
        "weights": weights,
        "axes": np.array([1, 2], dtype=np.int64),
        "gain": np.array(20.0, dtype=np.float32),
        "shape": np.array([-1, 1], dtype=np.int64),
    }
    return _model(path, nodes, constants)


def constant(path: Path, value: float, **other: Any) -> Path:
    """The same answer to everything; `other`: another input than the usual one."""
    name = other.get("name", "input_features")
    nodes = [
        helper.make_node("Cast", [name], ["number"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["number"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "value"], ["scalar"]),
        helper.make_node("Reshape", ["scalar", "shape"], ["out"]),
    ]
    constants = {
        "zero": np.array(0.0, dtype=np.float32),
        "value": np.array(value, dtype=np.float32),
        "shape": np.array([1, 1], dtype=np.int64),
    }
    return _model(path, nodes, constants, **other)


def frames(path: Path) -> Path:
    """It gives a number for each frame."""
    return _model(
        path, [helper.make_node("ReduceMean", ["input_features"], ["out"], axes=[1])], {}, out=["rows", 1, 800]
    )


def only_silence(path: Path) -> Path:
    """A probability for silence, whose features are all -1.5, and nonsense for sound."""
    nodes = [
        helper.make_node("ReduceMax", ["input_features"], ["loudest"], keepdims=0),
        helper.make_node("Mul", ["loudest", "factor"], ["scalar"]),
        helper.make_node("Reshape", ["scalar", "shape"], ["out"]),
    ]
    constants = {"factor": np.array(-0.5, dtype=np.float32), "shape": np.array([1, 1], dtype=np.int64)}
    return _model(path, nodes, constants)


def slow(path: Path, products: int = 100) -> Path:
    """It computes for some tens of milliseconds and says 0.5: to be judged by it takes time."""
    size = 256
    nodes = [helper.make_node("ReduceMean", ["input_features"], ["mean"], keepdims=0)]
    nodes.append(helper.make_node("Mul", ["mean", "matrix"], ["m0"]))
    nodes += [helper.make_node("MatMul", [f"m{n}", "matrix"], [f"m{n + 1}"]) for n in range(products)]
    nodes += [
        helper.make_node("ReduceMean", [f"m{products}"], ["end"], keepdims=0),
        helper.make_node("Sigmoid", ["end"], ["scalar"]),
        helper.make_node("Reshape", ["scalar", "shape"], ["out"]),
    ]
    constants = {
        "matrix": (np.eye(size) * 0.5).astype(np.float32),
        "shape": np.array([1, 1], dtype=np.int64),
    }
    return _model(path, nodes, constants)
