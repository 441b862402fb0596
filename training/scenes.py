"""Scenes: a subject before a background, taken by a camera. Run to render the training set."""

import sys
from multiprocessing import Process
from pathlib import Path

import cv2
import numpy as np

from subjects import PRODUCTS, make_subject
from textures import colour, dead_leaves, grid, mix, near, noise, surface, waves

SIZE = 256
PRODUCT_SHARDS = (800, 801)
DRAWING_SHARDS = (810, 811)
EMPTY_SHARD = 900
HELD_BACK_SHARD = 950


def studio(rng, size):
    """Paper, a wall, a sweep: plain or graded, with a little noise."""
    base = colour(rng) if rng.random() < 0.6 else np.float32([1, 1, 1]) * rng.uniform(0.7, 1)
    x, y = grid(size)
    image = np.empty((size, size, 3), np.float32)
    image[:] = base
    if rng.random() < 0.8:
        light = rng.normal(0, 0.15) * x + rng.normal(0, 0.15) * y - rng.uniform(0, 0.25) * ((x - rng.normal(0, 0.4)) ** 2 + (y - rng.normal(0, 0.4)) ** 2)
        image *= np.clip(1 + light, 0.2, 1.4)[..., None]
    if rng.random() < 0.25:
        edge = rng.uniform(0, 0.8)
        floor = np.clip((y - edge) / rng.uniform(0.02, 0.5), 0, 1)
        image = mix(image, image * rng.uniform(0.7, 1.15) + rng.normal(0, 0.02, 3), floor)
    return image + (rng.uniform(0, 0.04) * noise(rng, size, 0.7, 4))[..., None]


def clouds(rng, size):
    share = 0.5 + rng.uniform(0.5, 2) * noise(rng, size, rng.uniform(0.4, 0.7), rng.integers(1, 5))
    base = colour(rng)
    return mix(base, near(rng, base, 0.3) if rng.random() < 0.6 else colour(rng), share)


def leaves(rng, size):
    return dead_leaves(rng, size, None if rng.random() < 0.5 else colour(rng), rng.uniform(2, 10), size / 3, 200)


def outdoors(rng, size):
    """Sky, things far away, ground towards the camera."""
    _, y = grid(size)
    horizon = rng.uniform(-0.6, 0.5)
    sky = mix(colour(rng) if rng.random() < 0.3 else np.float32([0.6, 0.75, 0.95]) * rng.uniform(0.6, 1.1), np.float32([0.9, 0.92, 0.95]), 0.5 + y + 0.5 * noise(rng, size, 0.5, 2))
    ground = surface(rng, size, colour(rng))
    stretched = cv2.resize(ground, (size, max(2, size // int(rng.integers(1, 5)))))
    ground = cv2.resize(np.tile(stretched, (int(np.ceil(size / stretched.shape[0])), 1, 1))[:size], (size, size))
    image = mix(sky, ground, (y - horizon) * size / rng.uniform(1, 12))
    far = dead_leaves(rng, size, colour(rng), 2, size / 8, 120)
    band = np.abs(y - horizon + 0.15 * rng.uniform(0, 1) * noise(rng, size, 0.6, 3)) < rng.uniform(0.02, 0.5)
    return mix(image, far, cv2.GaussianBlur((band & (y < horizon + 0.1)).astype(np.float32), (0, 0), 1))


def building(rng, size):
    """Walls, windows, shelves: straight lines, repeated."""
    image = surface(rng, size).copy()
    for _ in range(rng.integers(1, 4)):
        fill = colour(rng)
        step = rng.integers(12, 90, 2)
        gap = np.maximum(2, step * rng.uniform(0.3, 0.9))
        offset = rng.integers(0, 60, 2)
        for y in range(-int(offset[1]), size, int(step[1])):
            for x in range(-int(offset[0]), size, int(step[0])):
                cv2.rectangle(image, (x, y), (int(x + gap[0]), int(y + gap[1])), near(rng, fill, 0.06).tolist(), -1)
    shear = np.float32([[1, rng.normal(0, 0.2), 0], [rng.normal(0, 0.2), 1, 0]])
    return cv2.warpAffine(image, shear, (size, size), borderMode=cv2.BORDER_REFLECT)


def bokeh(rng, size):
    image = clouds(rng, size) * rng.uniform(0.2, 0.8)
    for _ in range(rng.integers(5, 50)):
        light = image.copy()
        cv2.circle(light, tuple(int(v) for v in rng.integers(0, size, 2)), int(rng.uniform(3, size / 10)), colour(rng).tolist(), -1, cv2.LINE_AA)
        image = mix(image, light, np.float32([[rng.uniform(0.2, 0.8)]]))
    return image


def foliage(rng, size):
    base = np.float32([0.35, 0.5, 0.2]) * rng.uniform(0.4, 1.6) if rng.random() < 0.7 else colour(rng)
    image = clouds(rng, size) * 0.4 + base * 0.4
    for _ in range(rng.integers(60, 300)):
        start = rng.uniform(0, size, 2)
        end = start + rng.normal(0, size / 8, 2)
        cv2.line(image, tuple(start.astype(int).tolist()), tuple(end.astype(int).tolist()), near(rng, base, 0.15).tolist(), int(rng.integers(1, 4)), cv2.LINE_AA)
    return image


BACKGROUNDS = [(studio, 0.36), (clouds, 0.08), (leaves, 0.1), (outdoors, 0.18), (building, 0.1), (bokeh, 0.08), (foliage, 0.1)]


class Scenes:
    """An endless, repeatable row of (rgb, alpha, kind of background)."""

    def __init__(self, seed, size=SIZE, products=False):
        self.rng, self.size, self.products = np.random.default_rng(seed), size, products
        self.earlier = []

    def placed(self, subject, scale, centre, mirror=True):
        rgb, alpha = subject
        ys, xs = np.where(alpha > 0.1)
        if len(xs) < 30:
            return None
        left, right, top, bottom = xs.min(), xs.max() + 1, ys.min(), ys.max() + 1
        factor = scale * self.size / max(right - left, bottom - top)
        if mirror and self.rng.random() < 0.5:
            factor_x = -factor
        else:
            factor_x = factor
        middle = np.array([(left + right) / 2, (top + bottom) / 2])
        target = (np.asarray(centre) + 1) / 2 * self.size
        matrix = np.float32([[factor_x, 0, target[0] - factor_x * middle[0]], [0, factor, target[1] - factor * middle[1]]])
        warp = lambda image: cv2.warpAffine(image, matrix, (self.size, self.size), flags=cv2.INTER_AREA if factor < 0.6 else cv2.INTER_LINEAR)
        alpha = warp(alpha)
        return warp(rgb * 1.0), alpha

    def next(self):
        rng, size = self.rng, self.size
        rgb, alpha, kind = make_subject(rng, size, PRODUCTS if self.products else None)
        self.earlier = (self.earlier + [(rgb, alpha)])[-40:]
        weights = np.array([weight for _, weight in BACKGROUNDS])
        make = BACKGROUNDS[rng.choice(len(BACKGROUNDS), p=weights / weights.sum())][0]
        if self.products and rng.random() < 0.8:
            make = studio
        background = np.ascontiguousarray(np.clip(make(rng, size), 0, 1), dtype=np.float32)

        # The subject, in the middle more or less; portraits stand on the lower edge.
        scale = rng.uniform(0.35, 1.0) if rng.random() < 0.85 else rng.uniform(0.9, 1.4)
        centre = rng.normal(0, 0.12, 2)
        if kind == "portrait" and rng.random() < 0.85:
            scale = rng.uniform(0.6, 1.4)
            centre[1] = 1 - scale * rng.uniform(0.75, 1.0)
        placed = self.placed((rgb, alpha), scale, centre)
        if placed is None:
            return self.next()
        subject, alpha = placed
        covered = float(alpha.mean())
        if not 0.015 < covered < 0.85:
            return self.next()

        # Other things: smaller, cut off by the frame, behind and out of focus.
        is_studio = make is studio
        if not is_studio or rng.random() < 0.08:
            for _ in range(rng.integers(0, 2 if is_studio else 6)):
                other = self.earlier[rng.integers(len(self.earlier))]
                side = rng.uniform(-1.1, 1.1, 2)
                if rng.random() < 0.5:
                    side[rng.integers(2)] = rng.choice([-1, 1]) * rng.uniform(0.9, 1.2)
                thing = self.placed(other, rng.uniform(0.08, 0.5) * min(1, scale * 1.2), side)
                if thing is not None:
                    background = mix(background, thing[0], thing[1])
        focus = rng.choice([0, rng.uniform(0.3, 1.5), rng.uniform(1.5, 6)], p=[0.35, 0.35, 0.3] if not is_studio else [0.8, 0.2, 0])
        if focus > 0:
            background = cv2.GaussianBlur(background, (0, 0), focus)

        # Light: the subject is lit like its surroundings more often than not; it casts a shadow.
        if rng.random() < 0.6:
            ambient = background.mean((0, 1))
            subject = subject * (1 - 0.3 * rng.random()) + subject * (ambient / (ambient.mean() + 1e-3)) * 0.3 * rng.random()
        if rng.random() < (0.7 if is_studio else 0.5):
            shift = np.float32([[1, rng.normal(0, 0.2), rng.normal(0, size / 25)], [0, rng.uniform(0.3, 1), 0]])
            bottom = int(np.where(alpha.max(1) > 0.3)[0].max(initial=size - 1))
            shift[1, 2] = bottom * (1 - shift[1, 1]) + rng.uniform(0, size / 40)
            shadow = cv2.GaussianBlur(cv2.warpAffine(alpha, shift, (size, size)), (0, 0), rng.uniform(1.5, size / 18))
            background = background * (1 - rng.uniform(0.1, 0.6) * shadow)[..., None]
        softness = rng.uniform(0.3, 0.8)
        alpha = cv2.GaussianBlur(alpha, (0, 0), softness)
        image = subject * alpha[..., None] + background * (1 - alpha[..., None])
        return self.camera(image), alpha, make.__name__

    def drawing(self):
        """Even colours, no light, no camera: screenshots, clip art, renderings."""
        rng, size = self.rng, self.size
        _, alpha, kind = make_subject(rng, size)
        placed = self.placed((np.zeros((size, size, 3), np.float32), alpha), rng.uniform(0.3, 0.95), rng.normal(0, 0.12, 2))
        if placed is None or not 0.015 < placed[1].mean() < 0.85:
            return self.drawing()
        alpha = placed[1]
        paper = np.empty((size, size, 3), np.float32)
        paper[:] = colour(rng) if rng.random() < 0.6 else rng.choice([1, 1, 0, rng.random()])
        if rng.random() < 0.3:
            paper = paper + (rng.normal(0, 0.15) * grid(size)[1])[..., None]
        ink = colour(rng)
        while np.abs(ink - paper[size // 2, size // 2]).sum() < 0.25:
            ink = colour(rng)
        subject = np.empty_like(paper)
        subject[:] = ink
        for _ in range(rng.integers(0, 4)):
            x, y, radius = rng.integers(0, size, 3)
            shape = (int(x), int(y)), (int(radius) // 3 + 4, int(y) // 3 + 4)
            cv2.ellipse(subject, *shape, rng.uniform(0, 180), 0, 360, colour(rng).tolist(), -1, cv2.LINE_AA)
        image = np.clip(subject * alpha[..., None] + paper * (1 - alpha[..., None]), 0, 1)
        return np.round(image * 255).astype(np.uint8), alpha, "drawing"

    def empty(self):
        """A background with nothing before it; nothing is what is to be found."""
        rng, size = self.rng, self.size
        weights = np.array([3 if make is studio else 0.3 for make, _ in BACKGROUNDS])
        make = BACKGROUNDS[rng.choice(len(BACKGROUNDS), p=weights / weights.sum())][0]
        background = np.clip(make(rng, size), 0, 1)
        if rng.random() < 0.3:
            background = np.broadcast_to(np.float32(rng.choice([0, 1, rng.random()])), (size, size, 3))
        return self.camera(background), np.zeros((size, size), np.float32), "empty"

    def camera(self, image):
        rng, size = self.rng, self.size
        image = np.clip(image, 0, 1)
        if rng.random() < 0.5:
            image = image ** rng.uniform(0.7, 1.4)
        if rng.random() < 0.5:
            image = image * rng.uniform(0.85, 1.1, 3).astype(np.float32)
        if rng.random() < 0.3:
            x, y = grid(size)
            image = image * (1 - rng.uniform(0, 0.4) * (x * x + y * y) / 2)[..., None]
        if rng.random() < 0.25:
            image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.0))
        if rng.random() < 0.1:
            image = np.repeat(image.mean(2, keepdims=True), 3, 2)
        image = image + rng.normal(0, rng.uniform(0, 0.03), image.shape).astype(np.float32)
        image = (np.clip(image, 0, 1) * 255).astype(np.uint8)
        if rng.random() < 0.6:
            coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 96))])[1]
            image = cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)
        return image


def render(folder, shard, count, seed, products=False, of=Scenes.next):
    cv2.setNumThreads(1)
    scenes = Scenes(seed, products=products)
    rgb = np.empty((count, SIZE, SIZE, 3), np.uint8)
    alpha = np.empty((count, SIZE, SIZE), np.uint8)
    kinds = []
    for index in range(count):
        image, matte, kind = of(scenes)
        rgb[index], alpha[index] = image, np.round(matte * 255)
        kinds.append(kind)
    np.save(folder / f"{shard:03}-alpha.npy", alpha)
    np.save(folder / f"{shard:03}-kind.npy", np.array(kinds))
    np.save(folder / f"{shard:03}-rgb.npy", rgb)  # last: its presence says that the shard is whole


if __name__ == "__main__" and sys.argv[1] == "--held-back":
    Path(sys.argv[2]).mkdir(parents=True, exist_ok=True)
    render(Path(sys.argv[2]), HELD_BACK_SHARD, 600, 1000 + HELD_BACK_SHARD)
elif __name__ == "__main__":
    folder, first, last, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), 2000
    folder.mkdir(parents=True, exist_ok=True)
    for pair in range(first, last, 2):
        workers = [Process(target=render, args=(folder, shard, count, 1000 + shard)) for shard in range(pair, min(pair + 2, last))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print("rendered", pair, flush=True)
    for shard in PRODUCT_SHARDS:
        render(folder, shard, count, 1000 + shard, products=True)
    render(folder, EMPTY_SHARD, 1500, 1000 + EMPTY_SHARD, of=Scenes.empty)
    for shard in DRAWING_SHARDS:
        render(folder, shard, count, 1000 + shard, of=Scenes.drawing)
