"""Surfaces and colours: everything random, nothing photographed."""

import cv2
import numpy as np


def noise(rng, size, falloff=0.5, lowest=2, octaves=6):
    """Sums of smooth random grids, -1..1: falloff .5 is like clouds, .8 like gravel."""
    result = np.zeros((size, size), np.float32)
    weight, total = 1.0, 0.0
    for octave in range(octaves):
        cells = lowest * 2**octave + 1
        if cells > size:
            break
        grid = rng.uniform(-1, 1, (cells, cells)).astype(np.float32)
        result += weight * cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC)
        total += weight
        weight *= falloff
    return result / total * 1.6


def colour(rng):
    """RGB 0..1. Things are often grey, brown or skin, seldom a pure hue."""
    kind = rng.random()
    if kind < 0.3:
        value = rng.beta(1.2, 1.2)
        return np.clip(value + rng.normal(0, 0.03, 3), 0, 1).astype(np.float32)
    if kind < 0.45:  # skin, wood, leather, sand
        base = rng.uniform(0.15, 0.95)
        return np.clip(np.array([1, rng.uniform(0.6, 0.85), rng.uniform(0.35, 0.75)]) * base, 0, 1).astype(np.float32)
    if kind < 0.55:  # leaves, grass
        base = rng.uniform(0.15, 0.8)
        return np.clip(np.array([rng.uniform(0.4, 0.9), 1, rng.uniform(0.2, 0.6)]) * base, 0, 1).astype(np.float32)
    if kind < 0.65:  # sky, water, jeans
        base = rng.uniform(0.3, 1)
        return np.clip(np.array([rng.uniform(0.3, 0.85), rng.uniform(0.5, 0.95), 1]) * base, 0, 1).astype(np.float32)
    hue, saturation, value = rng.uniform(0, 180), rng.beta(1.5, 1.5) * 255, rng.beta(2, 1.3) * 255
    pixel = np.uint8([[[hue, saturation, value]]])
    return cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0].astype(np.float32) / 255


def near(rng, base, spread=0.15):
    return np.clip(base + rng.normal(0, spread, 3), 0, 1).astype(np.float32)


def grid(size):
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    return np.meshgrid(axis, axis)


def waves(rng, size, frequency=None, warp=0.15):
    """Stripes under a random angle, bent by noise, -1..1."""
    x, y = grid(size)
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    if rng.random() < 0.5:
        along = along + warp * noise(rng, size, octaves=3)
    return np.sin(along * (frequency or rng.uniform(6, 60)) + rng.uniform(0, 6))


def mix(low, high, share):
    share = np.clip(share, 0, 1)[..., None]
    return low * (1 - share) + high * share


def dead_leaves(rng, size, base=None, smallest=3, largest=60, count=250):
    """Overlapping discs and boxes of all sizes, whose statistics resemble those of natural scenes."""
    image = np.empty((size, size, 3), np.float32)
    image[:] = colour(rng) if base is None else base
    for _ in range(count):
        radius = int(1 / np.sqrt(rng.uniform(1 / largest**2, 1 / smallest**2)))
        centre = tuple(int(v) for v in rng.integers(0, size, 2))
        fill = (colour(rng) if base is None else near(rng, base, 0.2)).tolist()
        if rng.random() < 0.6:
            axes = (radius, max(1, int(radius * rng.uniform(0.3, 1))))
            cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, fill, -1, cv2.LINE_AA)
        else:
            box = cv2.boxPoints((centre, (2 * radius, max(2, radius * rng.uniform(0.3, 2))), rng.uniform(0, 180)))
            cv2.fillConvexPoly(image, box.astype(np.int32), fill, cv2.LINE_AA)
    return image


def marks(rng, image):
    """Labels, buttons, seams, print: small things on a surface."""
    size = image.shape[0]
    ink = colour(rng).tolist()
    for _ in range(rng.integers(1, 14)):
        x, y = (int(v) for v in rng.integers(0, size, 2))
        width, height = int(rng.uniform(2, size / 4)), int(rng.uniform(1, size / 14))
        kind = rng.random()
        if kind < 0.5:
            cv2.rectangle(image, (x, y), (x + width, y + height), ink, -1)
        elif kind < 0.75:
            cv2.circle(image, (x, y), max(1, height), ink, -1, cv2.LINE_AA)
        else:
            cv2.line(image, (x, y), tuple(int(v) for v in rng.integers(0, size, 2)), ink, int(rng.integers(1, 4)), cv2.LINE_AA)
        if rng.random() < 0.2:
            ink = colour(rng).tolist()


def surface(rng, size, base=None):
    """A material, size x size RGB 0..1."""
    base = colour(rng) if base is None else base
    kind = rng.random()
    if kind < 0.3:
        image = np.broadcast_to(base, (size, size, 3)).astype(np.float32)
        image = image + rng.uniform(0, 0.08) * noise(rng, size, 0.7, 4)[..., None]
    elif kind < 0.55:
        other = near(rng, base, 0.25) if rng.random() < 0.7 else colour(rng)
        image = mix(base, other, 0.5 + rng.uniform(0.4, 1.5) * noise(rng, size, rng.uniform(0.4, 0.9), rng.integers(1, 8)))
    elif kind < 0.68:
        image = mix(base, colour(rng) if rng.random() < 0.6 else near(rng, base), 0.5 + rng.choice([0.5, 3.0]) * waves(rng, size))
    elif kind < 0.76:
        check = waves(rng, size, warp=0) * waves(rng, size, warp=0)
        image = mix(base, colour(rng), 0.5 + 4 * check)
    elif kind < 0.86:
        image = mix(base, colour(rng), 0.5 + 8 * (noise(rng, size, 0.4, rng.integers(3, 14), 3) - rng.uniform(-0.2, 0.4)))
    elif kind < 0.93:
        strands = noise(rng, size, 1.0, 16, 4)
        length = int(rng.integers(7, 25))
        kernel = cv2.getRotationMatrix2D((length / 2, length / 2), rng.uniform(0, 180), 1)
        line = np.zeros((length, length), np.float32)
        line[length // 2] = 1 / length
        strands = cv2.filter2D(strands, -1, cv2.warpAffine(line, kernel, (length, length)))
        image = mix(base, near(rng, base, 0.25), 0.5 + 3 * strands)
    else:
        image = dead_leaves(rng, size, base, 2, size / 8, 120)
    image = np.ascontiguousarray(image, dtype=np.float32)
    if rng.random() < 0.3:
        marks(rng, image)
    return np.clip(image, 0, 1)
