"""Merges the backdrop model and a trained network into one file: export.py network.pt backdrop.onnx TARGET.onnx"""

import sys

import numpy as np
import onnx
import torch
from onnx import TensorProto, compose, helper, numpy_helper
from torch import nn
from torch.nn import functional as F

from network import Network, features

SIZE, INNER = 384, 256


class Whole(nn.Module):
    """The picture at 384 pixels and the backdrop's matte in, alpha at 384 pixels out; the network works at 256."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image, matte):
        small = lambda x: F.interpolate(x, (INNER, INNER), mode="bilinear", align_corners=False)
        rgb, hint = small(image), small(matte)
        logits, _ = self.network(features(rgb, hint))
        drawn = is_drawing(rgb, hint, torch.sigmoid(logits[:, :1]))
        logits = F.interpolate(logits, (SIZE, SIZE), mode="bilinear", align_corners=False)
        own, trust = torch.sigmoid(logits[:, :1]), torch.sigmoid(logits[:, 1:])
        trust = torch.maximum(trust, drawn)
        return trust * matte + (1 - trust) * own


def is_drawing(rgb, hint, own):
    """
    1 where the ground has no grain at all and both mattes mean the same thing, else 0, smooth between: there the
    statistics of the border are exact, and the network, shown few pictures without noise, is not.
    """
    steps = (rgb[..., 1:] - rgb[..., :-1]).abs().mean(1, keepdim=True)[:, :, :-1]
    steps = steps + (rgb[..., 1:, :] - rgb[..., :-1, :]).abs().mean(1, keepdim=True)[..., :-1]
    ground = (1 - F.max_pool2d(hint, 13, 1, 6))[..., :-1, :-1]
    grain = (steps * ground).sum((1, 2, 3), keepdim=True) / (ground.sum((1, 2, 3), keepdim=True) + 1)
    overlap = torch.minimum(hint, own).sum((1, 2, 3), keepdim=True) / (hint.sum((1, 2, 3), keepdim=True) + 1)
    return ((0.0021 - grain) / 0.0005).clamp(0, 1) * ((overlap - 0.4) / 0.2).clamp(0, 1)


def halved(graph):
    """Weights in half precision, cast back when the file is loaded: half the size, and the same on every provider."""
    kept, casts = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < 1000:
            kept.append(tensor)
            continue
        half = numpy_helper.from_array(values.astype(np.float16), tensor.name + "_half")
        kept.append(half)
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)


def main(weights, backdrop, target):
    network = Network()
    network.load_state_dict(torch.load(weights))
    whole = Whole(network.eval())
    example = (torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1, 1, SIZE, SIZE))
    torch.onnx.export(whole, example, target, opset_version=16, input_names=["image", "matte"], output_names=["alpha"])
    network_graph, first = onnx.load(target), onnx.load(backdrop)
    # Nothing this graph uses changed from 16 to 17.
    network_graph.opset_import[0].version = first.opset_import[0].version
    network_graph.ir_version = first.ir_version
    halved(network_graph.graph)
    first = compose.add_prefix(first, "backdrop/")
    # Both want the picture: the backdrop's input is the one that stays, and is called so.
    for node in first.graph.node:
        node.input[:] = ["image" if name == "backdrop/image" else name for name in node.input]
    first.graph.input[0].name = "image"
    graph = helper.make_graph(
        list(first.graph.node)
        + [helper.make_node("Identity", ["backdrop/alpha"], ["matte"])]
        + list(network_graph.graph.node),
        "silhouette",
        [first.graph.input[0]],
        [network_graph.graph.output[0]],
        list(first.graph.initializer) + list(network_graph.graph.initializer),
    )
    model = helper.make_model(graph, producer_name="rmbg-batch", opset_imports=first.opset_import)
    model.ir_version = first.ir_version
    model.doc_string = "Subjects before any background, learned from rendered scenes only. MIT."
    onnx.checker.check_model(model)
    onnx.save(model, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
