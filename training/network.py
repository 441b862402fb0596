"""The network: a small U-Net with global context that works next to the analytic `backdrop` matte."""

import torch
from torch import nn
from torch.nn import functional as F

WIDTHS = (16, 32, 64, 112, 144)


def conv(inputs, outputs, stride=1, size=3):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Residual(nn.Module):
    def __init__(self, width, dilation=1):
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        return F.relu(x + self.second(self.first(x)))


class Context(nn.Module):
    """Every place learns what the whole picture is like: means over the whole, over halves and over thirds."""

    def __init__(self, width):
        super().__init__()
        self.reduce = nn.ModuleList(conv(width, width // 4, size=1) for _ in range(3))
        self.merge = conv(width + 3 * (width // 4), width, size=1)

    def forward(self, x):
        height, width = x.shape[-2:]
        parts = [x]
        for cells, reduce in zip((1, 2, 4), self.reduce):
            pooled = F.avg_pool2d(x, (height // cells, width // cells))
            parts.append(F.interpolate(reduce(pooled), (height, width), mode="bilinear", align_corners=False))
        return self.merge(torch.cat(parts, 1))


class Network(nn.Module):
    """
    RGB and the backdrop's matte in (6 channels with x and y added, values about -1..1), two logits per pixel out:
    the subject's alpha, and how far the backdrop's matte is to be trusted.
    """

    def __init__(self):
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.stem = nn.Sequential(conv(6, a, 2), conv(a, a))
        self.second = nn.Sequential(conv(a, b, 2), Residual(b))
        self.third = nn.Sequential(conv(b, c, 2), Residual(c), Residual(c))
        self.fourth = nn.Sequential(conv(c, d, 2), Residual(d), Residual(d, 2))
        self.fifth = nn.Sequential(conv(d, e, 2), Residual(e), Residual(e, 2), Context(e))
        self.up4 = conv(e + d, 80)
        self.up3 = conv(80 + c, 56)
        self.up2 = conv(56 + b, 32)
        self.up1 = nn.Sequential(conv(32 + a, 24), conv(24, 16))
        self.out = nn.Conv2d(16, 2, 3, 1, 1)
        self.coarse = nn.Conv2d(80, 1, 1)

    def forward(self, x):
        one = self.stem(x)
        two = self.second(one)
        three = self.third(two)
        four = self.fourth(three)
        five = self.fifth(four)
        up = lambda low, high: torch.cat([F.interpolate(low, high.shape[-2:], mode="bilinear", align_corners=False), high], 1)
        low = self.up4(up(five, four))
        y = self.up3(up(low, three))
        y = self.up2(up(y, two))
        y = self.up1(up(y, one))
        logits = F.interpolate(self.out(y), x.shape[-2:], mode="bilinear", align_corners=False)
        return logits, self.coarse(low)


def features(rgb, matte):
    """rgb 0..1 (n,3,h,w), matte 0..1 (n,1,h,w) to what the network takes."""
    n, _, height, width = rgb.shape
    y = torch.linspace(-1, 1, height, device=rgb.device).view(1, 1, height, 1).expand(n, 1, height, width)
    x = torch.linspace(-1, 1, width, device=rgb.device).view(1, 1, 1, width).expand(n, 1, height, width)
    return torch.cat([rgb * 2 - 1, matte * 2 - 1, x, y], 1)


def fuse(logits, matte):
    """Logits and the backdrop's matte to alpha, 0..1."""
    own, trust = torch.sigmoid(logits[:, :1]), torch.sigmoid(logits[:, 1:])
    return trust * matte + (1 - trust) * own, own, trust
