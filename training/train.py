"""Trains the network: train.py FOLDER SECONDS [SHARE]. Goes on from a checkpoint when told what share is done."""

import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from network import Network, features, fuse
from scenes import EMPTY_SHARD

BATCH, PEAK_RATE = 24, 2.5e-3


def batches(folder, generator):
    """Endless: shards in random order, one picture in each batch empty; rgb, backdrop's matte and alpha, 0..1."""
    while True:
        shards = [path for path in sorted(folder.glob("*-matte.npy")) if not path.name.startswith(str(EMPTY_SHARD))]
        generator.shuffle(shards)
        empty = load(folder / f"{EMPTY_SHARD}-matte.npy")
        for shard in shards:
            arrays = load(shard)
            order = list(range(len(arrays[0])))
            generator.shuffle(order)
            # A part of a shard at a time mixes them well.
            for start in range(0, len(order) // 2 - BATCH, BATCH):
                chosen = sorted(order[start : start + BATCH - 1])
                nothing = [generator.randrange(len(empty[0]))]
                rgb, matte, alpha = (
                    torch.from_numpy(np.concatenate([array[chosen], none[nothing]])).float() / 255
                    for array, none in zip(arrays, empty)
                )
                yield rgb.permute(0, 3, 1, 2), matte[:, None], alpha[:, None]


def load(shard, kinds=("rgb", "matte", "alpha")):
    name = str(shard)[: -len("matte.npy")]
    return [np.load(f"{name}{kind}.npy", mmap_mode="r") for kind in kinds]


def augment(rgb, matte, alpha, resolution):
    """Mirrored, cropped and resized, in another light, with other noise."""
    side = random.randint(196, rgb.shape[-1])
    top, left = (random.randint(0, rgb.shape[-1] - side) for _ in range(2))
    stack = torch.cat([rgb, matte, alpha], 1)[:, :, top : top + side, left : left + side]
    stack = F.interpolate(stack, (resolution, resolution), mode="bilinear", align_corners=False)
    if random.random() < 0.5:
        stack = stack.flip(3)
    rgb, matte, alpha = stack[:, :3], stack[:, 3:4], stack[:, 4:]
    n = len(rgb)
    gain = 1 + 0.12 * torch.randn(n, 1, 1, 1) + 0.05 * torch.randn(n, 3, 1, 1)
    contrast = 1 + 0.15 * torch.randn(n, 1, 1, 1)
    mean = rgb.mean((1, 2, 3), keepdim=True)
    rgb = ((rgb - mean) * contrast + mean) * gain + 0.04 * torch.randn(n, 1, 1, 1)
    grey = torch.rand(n, 1, 1, 1) * 0.6 * (torch.rand(n, 1, 1, 1) < 0.4)
    rgb = rgb * (1 - grey) + rgb.mean(1, keepdim=True) * grey
    # Some stay without any noise, as drawings are.
    rgb = rgb + 0.02 * (torch.rand(n, 1, 1, 1) - 0.4).clamp(0) * torch.randn_like(rgb)
    # Now and then the backdrop's matte is missing or wrong, so that it is never all there is to go by.
    wrong = torch.rand(n, 1, 1, 1)
    matte = torch.where(wrong < 0.06, torch.zeros_like(matte), torch.where(wrong < 0.1, matte.roll(1, 0), matte))
    return rgb.clamp(0, 1), matte, alpha


def loss_of(logits, coarse, matte, alpha):
    fused, own, trust = fuse(logits, matte)
    small = F.interpolate(alpha, coarse.shape[-2:], mode="area")
    fused = fused.clamp(1e-4, 1 - 1e-4)
    overlap = lambda a: 1 - ((a * alpha).sum((1, 2, 3)) + 1) / ((a + alpha - a * alpha).sum((1, 2, 3)) + 1)
    edges = lambda a: (a[..., 1:] - a[..., :-1], a[..., 1:, :] - a[..., :-1, :])
    gradient = sum((p - q).abs().mean() for p, q in zip(edges(fused), edges(alpha)))
    return (
        F.binary_cross_entropy_with_logits(logits[:, :1], alpha)
        + F.binary_cross_entropy(fused, alpha)
        + 0.4 * F.binary_cross_entropy_with_logits(coarse, small)
        + 0.7 * overlap(fused).mean()
        + 0.3 * overlap(own).mean()
        + 2 * gradient
    ), fused


def iou(a, b):
    a, b = a > 0.5, b > 0.5
    return ((a & b).sum((1, 2, 3)).float() + 1e-3) / ((a | b).sum((1, 2, 3)).float() + 1e-3)


def main(folder, seconds, done=0.0):
    torch.manual_seed(7)
    random.seed(7)
    torch.set_num_threads(2)
    network, average = Network(), Network()
    if done:
        network.load_state_dict(torch.load(folder / "network.pt"))
    average.load_state_dict(network.state_dict())
    decay = [p for p in network.parameters() if p.dim() > 1]
    plain = [p for p in network.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0}], PEAK_RATE)
    started, step, seen, scores = time.time(), 0, 0, []
    for rgb, matte, alpha in batches(folder / "set", random.Random(7)):
        share = done + (time.time() - started) / seconds
        if share >= 1:
            break
        rate = PEAK_RATE * min(1, step / 300) * max(0.01, 0.5 * (1 + np.cos(np.pi * share)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        # The last third at the size it is used at.
        rgb, matte, alpha = augment(rgb, matte, alpha, 192 if share < 0.6 else 256)
        loss, fused = loss_of(*network(features(rgb, matte)), matte, alpha)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5)
        optimizer.step()
        step, seen = step + 1, seen + len(rgb)
        keep = min(0.998, step / (step + 20))
        with torch.no_grad():
            for a, b in zip(average.state_dict().values(), network.state_dict().values()):
                a.mul_(keep).add_(b, alpha=1 - keep) if a.is_floating_point() else a.copy_(b)
            scores.append(iou(fused, alpha).mean().item())
        if step % 100 == 0:
            print(f"{share:.3f} step {step} seen {seen} loss {loss.item():.3f} iou {np.mean(scores[-100:]):.3f}", flush=True)
        if step % 300 == 0:
            torch.save(average.state_dict(), folder / "network.new")
            (folder / "network.new").rename(folder / "network.pt")
    torch.save(average.state_dict(), folder / "network.pt")
    print(f"done: {step} steps, {seen} pictures", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
