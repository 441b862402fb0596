"""Subjects: things, plants, animals, people, vehicles, built from painted parts, with exact alpha."""

import cv2
import numpy as np

from textures import colour, near, noise, surface

SHIFT = 4  # bits of sub-pixel precision in OpenCV's drawing


class Canvas:
    """Parts are painted one over the other; unit coordinates, -1..1, y down."""

    def __init__(self, rng, size):
        self.rng, self.size = rng, size
        self.image = np.zeros((size, size, 3), np.float32)
        self.alpha = np.zeros((size, size), np.float32)
        self.light = rng.uniform(0, 2 * np.pi)
        self.relief = rng.uniform(0.1, 0.9)
        self.gloss = rng.uniform(0, 0.6) * (rng.random() < 0.5)

    def points(self, points):
        return np.round((np.asarray(points) + 1) / 2 * self.size * 2**SHIFT).astype(np.int32)

    def paint(self, mask, material=None, shade=True):
        """mask 0..1; material RGB of the canvas' size, or one colour."""
        if material is None:
            material = surface(self.rng, self.size)
        rgb = np.broadcast_to(material, self.image.shape)
        if shade and self.relief > 0.05:
            rgb = self.shaded(mask, rgb)
        self.image = self.image * (1 - mask[..., None]) + rgb * mask[..., None]
        self.alpha = np.maximum(self.alpha, mask)

    def shaded(self, mask, rgb):
        ys, xs = np.where(mask > 0.5)
        if len(xs) < 20:
            return rgb
        left, right, top, bottom = xs.min(), xs.max() + 1, ys.min(), ys.max() + 1
        inside = np.pad((mask[top:bottom, left:right] > 0.5).astype(np.uint8), 1)
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3)[1:-1, 1:-1]
        limit = max(depth.max() * self.rng.uniform(0.4, 1.0), 1)
        height = np.sqrt(np.clip(depth / limit, 0, 1) * (2 - np.clip(depth / limit, 0, 1)))
        height = cv2.GaussianBlur(height, (0, 0), max(0.8, limit / 12))
        dx, dy = cv2.Sobel(height, -1, 1, 0), cv2.Sobel(height, -1, 0, 1)
        scale = limit / 4
        lit = -(dx * np.cos(self.light) + dy * np.sin(self.light)) * scale
        factor = 1 + self.relief * np.tanh(lit) - 0.25 * self.relief * (1 - height)
        result = rgb.copy()
        area = result[top:bottom, left:right] * factor[..., None]
        if self.gloss:
            area = area + (self.gloss * np.clip(np.tanh(lit) - 0.6, 0, 1) * 2.5)[..., None]
        result[top:bottom, left:right] = np.clip(area, 0, 1)
        return result

    def mask(self):
        return np.zeros((self.size, self.size), np.float32)

    def polygon(self, points):
        mask = self.mask()
        cv2.fillPoly(mask, [self.points(points)], 1.0, cv2.LINE_AA, SHIFT)
        return mask

    def ellipse(self, centre, axes, angle=0):
        t = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        c, s = np.cos(angle), np.sin(angle)
        x, y = axes[0] * np.cos(t), axes[1] * np.sin(t)
        return self.polygon(np.stack([centre[0] + c * x - s * y, centre[1] + s * x + c * y], 1))

    def limb(self, points, width, end_width=None):
        """A chain of tapering capsules."""
        mask = self.mask()
        end_width = width if end_width is None else end_width
        points = np.asarray(points, np.float32)
        widths = np.linspace(width, end_width, len(points))
        for a, b, wa, wb in zip(points[:-1], points[1:], widths[:-1], widths[1:]):
            direction = b - a
            normal = np.array([-direction[1], direction[0]]) / (np.hypot(*direction) + 1e-6)
            np.maximum(mask, self.polygon([a + normal * wa, b + normal * wb, b - normal * wb, a - normal * wa]), mask)
            np.maximum(mask, self.ellipse(a, (wa, wa)), mask)
            np.maximum(mask, self.ellipse(b, (wb, wb)), mask)
        return mask

    def blob(self, centre, radius, wobble=0.25, waves=6, stretch=1.0, angle=0.0):
        t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
        r = np.ones_like(t)
        for k in range(2, waves + 2):
            r += wobble * self.rng.normal() / k * np.cos(k * t + self.rng.uniform(0, 6))
        r = np.clip(r, 0.3, 2) * radius
        x, y = r * np.cos(t) * stretch, r * np.sin(t) / stretch
        c, s = np.cos(angle), np.sin(angle)
        return self.polygon(np.stack([centre[0] + c * x - s * y, centre[1] + s * x + c * y], 1))

    def cut(self, mask):
        self.alpha *= 1 - mask


def rounded(rng, width, height, power=None):
    """A superellipse: 2 is an ellipse, much is a box."""
    power = power or rng.choice([2.0, 3.0, 5.0, 12.0])
    t = np.linspace(0, 2 * np.pi, 80, endpoint=False)
    c, s = np.cos(t), np.sin(t)
    return np.stack([width * np.sign(c) * np.abs(c) ** (2 / power), height * np.sign(s) * np.abs(s) ** (2 / power)], 1)


def turned(points, angle, centre=(0, 0)):
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(points) @ np.array([[c, s], [-s, c]]) + centre


def box_thing(canvas):
    rng = canvas.rng
    width, height = rng.uniform(0.3, 0.9), rng.uniform(0.3, 0.9)
    angle = rng.normal(0, 0.3)
    canvas.paint(canvas.polygon(turned(rounded(rng, width, height), angle)))
    for _ in range(rng.integers(0, 6)):
        part = rounded(rng, rng.uniform(0.05, 0.5) * width, rng.uniform(0.05, 0.5) * height)
        centre = turned([[rng.uniform(-0.6, 0.6) * width, rng.uniform(-0.6, 0.6) * height]], angle)[0]
        canvas.paint(canvas.polygon(turned(part, angle, centre)) * canvas.alpha)


def blob_thing(canvas):
    rng = canvas.rng
    canvas.paint(canvas.blob((0, 0), rng.uniform(0.4, 0.75), rng.uniform(0.05, 0.6), rng.integers(2, 9), rng.uniform(0.7, 1.4), rng.uniform(0, 3)))
    for _ in range(rng.integers(0, 4)):
        canvas.paint(canvas.blob(rng.uniform(-0.5, 0.5, 2), rng.uniform(0.08, 0.35), 0.2) * canvas.alpha)


def pile(canvas):
    rng = canvas.rng
    place = np.zeros(2)
    shared = surface(rng, canvas.size) if rng.random() < 0.5 else None
    for _ in range(rng.integers(2, 8)):
        radius = rng.uniform(0.12, 0.4)
        kind = rng.random()
        if kind < 0.4:
            mask = canvas.blob(place, radius, 0.2)
        elif kind < 0.7:
            mask = canvas.polygon(turned(rounded(rng, radius, radius * rng.uniform(0.3, 2)), rng.uniform(0, 3), place))
        else:
            mask = canvas.limb([place, place + rng.normal(0, 0.4, 2)], radius * 0.4, radius * 0.2)
        canvas.paint(mask, shared if shared is not None and rng.random() < 0.7 else None)
        place = np.clip(place + rng.normal(0, 0.3, 2), -0.6, 0.6)


def lathe(canvas):
    """Bottles, vases, lamps, cups, glasses: a profile turned around an upright axis."""
    rng = canvas.rng
    knots = rng.integers(3, 8)
    y = np.linspace(-0.9, 0.9, 60)
    radii = np.interp(y, np.linspace(-0.9, 0.9, knots), rng.uniform(0.05, 0.55, knots))
    if rng.random() < 0.6:
        radii = np.convolve(np.pad(radii, 4, mode="edge"), np.ones(9) / 9, mode="valid")
    outline = np.concatenate([np.stack([radii, y], 1), np.stack([-radii, y], 1)[::-1]])
    angle = rng.normal(0, 0.05)
    canvas.paint(canvas.polygon(turned(outline, angle)))
    for _ in range(rng.integers(0, 4)):
        top = rng.uniform(-0.9, 0.7)
        band = np.array([[-1, top], [1, top], [1, top + rng.uniform(0.03, 0.5)], [-1, top + rng.uniform(0.03, 0.5)]])
        canvas.paint(canvas.polygon(band) * canvas.alpha, shade=False)
    if rng.random() < 0.3:
        centre = (rng.choice([-1, 1]) * rng.uniform(0.35, 0.55), rng.uniform(-0.3, 0.3))
        handle = canvas.ellipse(centre, (0.25, 0.35)) * (1 - canvas.ellipse(centre, (0.16, 0.26)))
        canvas.paint(handle * (1 - canvas.alpha))


def ring(canvas):
    rng = canvas.rng
    width, height = rng.uniform(0.4, 0.8), rng.uniform(0.4, 0.8)
    canvas.paint(canvas.polygon(rounded(rng, width, height)))
    inner = rng.uniform(0.4, 0.85)
    canvas.cut(canvas.polygon(rounded(rng, width * inner, height * inner)))
    if rng.random() < 0.6:
        canvas.paint(canvas.blob((0, -height), rng.uniform(0.1, 0.3), 0.2))


def portrait(canvas):
    rng = canvas.rng
    skin = np.clip(np.array([1, rng.uniform(0.68, 0.82), rng.uniform(0.5, 0.7)]) * rng.uniform(0.3, 1.0), 0, 1).astype(np.float32)
    hair = near(rng, np.array(rng.choice([[0.06, 0.05, 0.05], [0.3, 0.18, 0.1], [0.75, 0.6, 0.35], [0.55, 0.55, 0.55], [0.5, 0.2, 0.1]], axis=0), np.float32), 0.06)
    head = np.array([rng.normal(0, 0.12), rng.uniform(-0.55, -0.2)])
    size = rng.uniform(0.2, 0.34)
    lean = rng.normal(0, 0.12)
    long_hair = rng.random() < 0.5
    fuzzy = surface(rng, canvas.size, hair)
    if long_hair:
        canvas.paint(canvas.blob(head + [0, size * rng.uniform(0.3, 0.9)], size * rng.uniform(1.2, 1.7), 0.2, stretch=0.85), fuzzy)
    shoulders = rng.uniform(0.45, 0.85)
    level = head[1] + size * rng.uniform(1.35, 1.7)
    torso = [[head[0] - size * 0.5, level - 0.12], [head[0] + size * 0.5, level - 0.12], [head[0] + shoulders * 0.8, level + 0.08],
             [head[0] + shoulders, level + 0.35], [head[0] + shoulders * rng.uniform(0.8, 1.1), 1.3], [head[0] - shoulders * rng.uniform(0.8, 1.1), 1.3],
             [head[0] - shoulders, level + 0.35], [head[0] - shoulders * 0.8, level + 0.08]]
    body = cv2.GaussianBlur(canvas.polygon(torso), (0, 0), canvas.size / 60)
    body = np.clip((body - 0.5) * 6 + 0.5, 0, 1)
    clothes = surface(rng, canvas.size)
    canvas.paint(body, clothes)
    canvas.paint(canvas.limb([head, [head[0], level]], size * 0.42), surface(rng, canvas.size, skin) * 0.3 + skin * 0.7)
    canvas.paint(canvas.ellipse(head, (size * 0.78, size), lean), skin)
    face = lambda dx, dy: head + size * np.array([dx * np.cos(lean) - dy * np.sin(lean), dx * np.sin(lean) + dy * np.cos(lean)])
    for side in (-1, 1):
        canvas.paint(canvas.ellipse(face(side * 0.32, -0.1), (size * 0.1, size * 0.05)), np.float32([0.1, 0.08, 0.07]), False)
        canvas.paint(canvas.ellipse(face(side * 0.32, -0.25), (size * 0.16, size * 0.03)), hair, False)
    canvas.paint(canvas.ellipse(face(0, 0.5), (size * 0.22, size * 0.06)), skin * np.float32([0.8, 0.5, 0.5]), False)
    canvas.paint(canvas.ellipse(face(0.02, 0.18), (size * 0.08, size * 0.16)), skin * 0.85, False)
    if rng.random() < 0.85:
        cap = canvas.blob(head + [0, -size * 0.35], size * rng.uniform(0.85, 1.1), 0.25)
        canvas.paint(cap * (1 - canvas.ellipse(face(0, 0.25), (size * 0.7, size * 0.85), lean)), fuzzy)
    if rng.random() < 0.35:  # hands, a thing held
        hand = np.array([rng.uniform(-0.6, 0.6), rng.uniform(0.1, 0.8)])
        canvas.paint(canvas.limb([[np.sign(hand[0]) * shoulders, 0.7], [hand[0] * 1.3, 0.8], hand], 0.14, 0.09), clothes if rng.random() < 0.6 else skin)
        canvas.paint(canvas.polygon(turned(rounded(rng, rng.uniform(0.1, 0.3), rng.uniform(0.1, 0.3)), rng.uniform(0, 3), hand + [0, -0.15])))
        canvas.paint(canvas.blob(hand, 0.1, 0.2), skin)
    return "hair" if rng.random() < 0.7 else None


def figure(canvas):
    rng = canvas.rng
    skin = np.clip(np.array([1, 0.75, 0.6]) * rng.uniform(0.3, 1.0), 0, 1).astype(np.float32)
    shirt, trousers = surface(rng, canvas.size), surface(rng, canvas.size)
    hip, neck = np.array([rng.normal(0, 0.05), 0.1]), np.array([rng.normal(0, 0.08), -0.5])
    for side in (-1, 1):
        knee = hip + [side * rng.uniform(0.02, 0.25), rng.uniform(0.3, 0.42)]
        foot = knee + [rng.normal(0, 0.12), rng.uniform(0.3, 0.42)]
        canvas.paint(canvas.limb([hip + [side * 0.08, 0], knee, foot], 0.11, 0.06), trousers)
        canvas.paint(canvas.ellipse(foot + [0.04, 0.02], (0.1, 0.05)))
    arms = []
    for side in (-1, 1):
        elbow = neck + [side * rng.uniform(0.18, 0.4), rng.uniform(0.05, 0.4)]
        arms.append([neck + [side * 0.16, 0.1], elbow, elbow + [rng.normal(0, 0.2), rng.uniform(-0.3, 0.35)]])
    canvas.paint(canvas.limb(arms[0], 0.075, 0.05), shirt)
    canvas.paint(canvas.polygon([neck + [-0.2, 0.05], neck + [0.2, 0.05], hip + [0.16, 0.1], hip + [-0.16, 0.1]]), shirt)
    canvas.paint(canvas.limb(arms[1], 0.075, 0.05), shirt)
    for arm in arms:
        canvas.paint(canvas.ellipse(arm[-1], (0.06, 0.06)), skin)
    head = neck + [rng.normal(0, 0.04), -0.2]
    canvas.paint(canvas.limb([head, neck + [0, 0.05]], 0.06), skin)
    canvas.paint(canvas.ellipse(head, (0.12, 0.155)), skin)
    canvas.paint(canvas.blob(head + [0, -0.07], 0.13, 0.2))


def animal(canvas):
    rng = canvas.rng
    coat = surface(rng, canvas.size)
    facing = rng.choice([-1, 1])
    at = lambda x, y: np.array([facing * x, y])
    legs, length = rng.uniform(0.15, 0.55), rng.uniform(0.3, 0.6)
    thick = rng.uniform(0.05, 0.11)
    if rng.random() < 0.7:
        for x in (-0.85, -0.6, 0.6, 0.85):
            start = at(x * length, 0.1)
            canvas.paint(canvas.limb([start, start + [rng.normal(0, 0.05), legs / 2], start + [rng.normal(0, 0.06), legs]], thick, thick * 0.6), coat)
    canvas.paint(canvas.blob((0, 0), rng.uniform(0.22, 0.38), 0.15, stretch=np.sqrt(length / 0.3), angle=rng.normal(0, 0.1)), coat)
    neck = at(length * 0.9, rng.uniform(-0.65, -0.15))
    canvas.paint(canvas.limb([at(length * 0.7, 0), neck], rng.uniform(0.1, 0.2), rng.uniform(0.08, 0.14)), coat)
    size = rng.uniform(0.12, 0.28)
    for side in (-0.6, 0.6):
        ear = neck + [side * size, -size * 0.8]
        canvas.paint(canvas.polygon([ear + [-0.05, 0.08], ear + [rng.normal(0, 0.05), -rng.uniform(0.05, 0.25)], ear + [0.05, 0.08]]), coat)
    canvas.paint(canvas.blob(neck, size, 0.12), coat)
    canvas.paint(canvas.ellipse(neck + [facing * size * 0.8, size * 0.25], (size * 0.5, size * 0.35)), near(rng, coat[0, 0], 0.2))
    for side in (-0.35, 0.35):
        canvas.paint(canvas.ellipse(neck + [side * size, -size * 0.1], (size * 0.12, size * 0.12)), np.float32([0.03, 0.03, 0.03]), False)
    tail = at(-length, -0.05)
    canvas.paint(canvas.limb([tail, tail + at(-0.2, rng.uniform(-0.3, 0.2)), tail + at(-0.35, rng.uniform(-0.5, 0.4))], 0.06, 0.03), coat)
    return "fur" if rng.random() < 0.75 else None


def vehicle(canvas):
    rng = canvas.rng
    paint = surface(rng, canvas.size) * 0.3 + colour(rng) * 0.7
    length, height = rng.uniform(0.7, 0.95), rng.uniform(0.16, 0.3)
    roof = rng.uniform(0.2, 0.45)
    a, b = sorted(rng.uniform(-0.7, 0.7, 2))
    b = max(b, a + 0.4)
    canvas.paint(canvas.polygon([[a - 0.15, -0.05], [a, -roof], [b, -roof], [b + 0.25, -0.05]]), paint)
    canvas.paint(canvas.polygon([[a - 0.07, -0.05], [a + 0.05, -roof + 0.06], [b - 0.03, -roof + 0.06], [b + 0.14, -0.05]]), near(rng, np.float32([0.15, 0.2, 0.25])))
    canvas.paint(canvas.polygon(turned(rounded(rng, length, height, 5.0), 0, (0, height * 0.6))), paint)
    for _ in range(rng.integers(1, 5)):
        canvas.paint(canvas.polygon(turned(rounded(rng, rng.uniform(0.03, 0.12), rng.uniform(0.02, 0.06)), 0, (rng.uniform(-0.9, 0.9) * length, height * rng.uniform(0.2, 1)))) * canvas.alpha)
    wheel = rng.uniform(0.12, 0.22)
    for x in (-0.6, 0.6):
        centre = (x * length, height * 1.5)
        canvas.paint(canvas.ellipse(centre, (wheel, wheel)), np.float32([0.05, 0.05, 0.05]))
        canvas.paint(canvas.ellipse(centre, (wheel * 0.6, wheel * 0.6)), colour(rng))


def boat(canvas):
    rng = canvas.rng
    length = rng.uniform(0.5, 0.9)
    mast = rng.uniform(-0.2, 0.2)
    top = -rng.uniform(0.5, 0.95)
    canvas.paint(canvas.limb([[mast, top], [mast, 0.4]], 0.02))
    for side in (-1, 1):
        if rng.random() < 0.75:
            canvas.paint(canvas.polygon([[mast + side * 0.02, top], [mast + side * rng.uniform(0.3, 0.8), 0.35], [mast + side * 0.02, 0.35]]))
    canvas.paint(canvas.polygon([[-length, 0.4], [length, 0.4], [length * rng.uniform(0.6, 0.9), 0.65], [-length * rng.uniform(0.6, 0.9), 0.65]]))


def plant(canvas):
    rng = canvas.rng
    leaf = surface(rng, canvas.size)
    root = np.array([0, rng.uniform(0.2, 0.6)])
    for _ in range(rng.integers(5, 22)):
        angle = -np.pi / 2 + rng.normal(0, 0.7)
        length = rng.uniform(0.3, 1.2)
        tip = root + length * np.array([np.cos(angle), np.sin(angle)])
        if rng.random() < 0.5:
            canvas.paint(canvas.limb([root, (root + tip) / 2, tip], 0.015, 0.008), near(rng, leaf[0, 0], 0.1))
            canvas.paint(canvas.ellipse(tip, (rng.uniform(0.05, 0.2), rng.uniform(0.03, 0.1)), angle + rng.normal(0, 0.5)), leaf)
        else:
            canvas.paint(canvas.ellipse((root + tip) / 2, (length / 2, rng.uniform(0.03, 0.1)), angle), leaf)
    if rng.random() < 0.7:
        width = rng.uniform(0.2, 0.4)
        canvas.paint(canvas.polygon([[-width, root[1] - 0.05], [width, root[1] - 0.05], [width * 0.75, 0.95], [-width * 0.75, 0.95]]))


def furniture(canvas):
    rng = canvas.rng
    wood = surface(rng, canvas.size)
    width, seat = rng.uniform(0.35, 0.75), rng.uniform(-0.1, 0.2)
    for x in (-0.95, -0.6, 0.6, 0.95):
        canvas.paint(canvas.limb([[x * width, seat], [x * width * rng.uniform(0.9, 1.2), 0.85 if abs(x) > 0.8 else 0.7]], rng.uniform(0.02, 0.05)), wood)
    canvas.paint(canvas.polygon(turned(rounded(rng, width * 1.05, rng.uniform(0.06, 0.2), 5.0), 0, (0, seat))))
    if rng.random() < 0.7:
        canvas.paint(canvas.polygon(turned(rounded(rng, width, 0.35, 5.0), 0, (0, seat - 0.4))))
        for x in rng.uniform(-0.8, 0.8, rng.integers(0, 4)):
            canvas.cut(canvas.polygon(turned(rounded(rng, width * 0.1, 0.25), 0, (x * width, seat - 0.4))))


KINDS = [
    (box_thing, 2), (blob_thing, 1.5), (pile, 2), (lathe, 2), (ring, 0.6), (portrait, 5), (figure, 1.5), (animal, 3.5),
    (vehicle, 1.5), (boat, 0.6), (plant, 1), (furniture, 0.8),
]
PRODUCTS = [box_thing, blob_thing, pile, lathe, lathe, ring, ring, vehicle, plant, furniture, furniture, furniture]
WEIGHTS = np.array([weight for _, weight in KINDS]) / sum(weight for _, weight in KINDS)


def strands(canvas, kind):
    """Hair and fur: fine lines outwards from the outline, with alpha of their own."""
    rng, size = canvas.rng, canvas.size
    outlines, _ = cv2.findContours((canvas.alpha > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not outlines:
        return
    outline = max(outlines, key=len)[:, 0].astype(np.float32)
    if len(outline) < 30:
        return
    smooth = cv2.GaussianBlur(canvas.alpha, (0, 0), 4)
    gx, gy = cv2.Sobel(smooth, -1, 1, 0), cv2.Sobel(smooth, -1, 0, 1)
    if kind == "hair":
        outline = outline[outline[:, 1] < np.percentile(outline[:, 1], rng.uniform(30, 60))]
    chosen = outline[rng.integers(0, len(outline), int(rng.uniform(200, 1200)))]
    length = size * rng.uniform(0.01, 0.06 if kind == "hair" else 0.04)
    lines = []
    for x, y in chosen:
        out = -np.array([gx[int(y), int(x)], gy[int(y), int(x)]])
        out = out / (np.hypot(*out) + 1e-6) + rng.normal(0, 0.5, 2)
        start = np.array([x, y]) - out * 2
        middle = start + out * length * 0.5
        end = middle + (out + rng.normal(0, 0.4, 2)) * length * rng.uniform(0.2, 0.8)
        lines.append(np.round(np.stack([start, middle, end]) * 2**SHIFT).astype(np.int32))
    layer = np.zeros((size, size), np.float32)
    cv2.polylines(layer, lines, False, 1.0, 1, cv2.LINE_AA, SHIFT)
    layer *= rng.uniform(0.3, 0.9)
    tint = cv2.GaussianBlur(np.dstack([canvas.image * canvas.alpha[..., None], canvas.alpha]), (0, 0), 5)
    tint = tint[..., :3] / (tint[..., 3:] + 1e-4)
    new = layer * (1 - canvas.alpha)
    total = canvas.alpha + new
    canvas.image = np.where(total[..., None] > 1e-4, (canvas.image * canvas.alpha[..., None] + tint * new[..., None]) / np.maximum(total, 1e-4)[..., None], canvas.image)
    canvas.alpha = total


def make_subject(rng, size, kinds=None):
    """RGB 0..1 and alpha 0..1, size x size."""
    canvas = Canvas(rng, size)
    if kinds:
        make = kinds[rng.integers(len(kinds))]
        canvas.relief *= rng.random()
    else:
        make = KINDS[rng.choice(len(KINDS), p=WEIGHTS)][0]
    edge = make(canvas)
    if make is not portrait and rng.random() < 0.12:
        KINDS[rng.choice(len(KINDS), p=WEIGHTS)][0](canvas)  # two things that touch are one subject
    if edge is None and rng.random() < 0.06:
        edge = "fur"
    if edge:
        strands(canvas, edge)
    if make in (lathe, blob_thing, box_thing) and rng.random() < 0.1:  # glass
        inner = cv2.erode(canvas.alpha, np.ones((7, 7), np.uint8))
        canvas.alpha *= 1 - inner * rng.uniform(0.3, 0.75) * np.clip(0.7 + 0.5 * noise(rng, size), 0, 1)
    if rng.random() < 0.5:
        canvas.image = np.clip(canvas.image * rng.uniform(0.7, 1.2) + rng.normal(0, 0.03, 3).astype(np.float32), 0, 1)
    return canvas.image.astype(np.float32), np.clip(canvas.alpha, 0, 1).astype(np.float32), make.__name__
