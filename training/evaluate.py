"""The network on scenes it has not seen, by kind of background: evaluate.py FOLDER, after these two lines:

python3 training/scenes.py --held-back /tmp/train/held
node training/mattes.mjs /tmp/train/held /tmp/train/backdrop256.onnx 1
"""

import sys
from pathlib import Path

import torch

from network import Network, features, fuse
from train import iou, load


def main(folder):
    network = Network()
    network.load_state_dict(torch.load(folder / "network.pt"))
    network.eval()
    shard = next((folder / "held").glob("*-matte.npy"))
    arrays = load(shard)
    kinds = load(shard, ("kind",))[0]
    rows = {}
    with torch.no_grad():
        for start in range(0, len(kinds), 32):
            rgb, matte, alpha = (torch.from_numpy(array[start : start + 32].copy()).float() / 255 for array in arrays)
            matte, alpha = matte[:, None], alpha[:, None]
            found = fuse(network(features(rgb.permute(0, 3, 1, 2), matte))[0], matte)[0]
            for kind, *scores in zip(kinds[start : start + 32], iou(found, alpha), iou(matte, alpha), (found - alpha).abs().mean((1, 2, 3))):
                rows.setdefault(str(kind), []).append([float(score) for score in scores])
    rows["all"] = [scores for group in list(rows.values()) for scores in group]
    print("| Background | Scenes | IoU | MAE | IoU of `backdrop` |\n|---|---|---|---|---|")
    for kind, scores in sorted(rows.items()):
        own, analytic, error = (sum(column) / len(scores) for column in zip(*scores))
        print(f"| {kind} | {len(scores)} | {own:.3f} | {error:.3f} | {analytic:.3f} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
