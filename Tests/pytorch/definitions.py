"""The networks whose checkpoints are read, in PyTorch, as small as their papers and published weights' names allow."""
import torch
from torch import nn
from torch.nn import functional as F


def conv(cin, cout, kernel=3):
    return nn.Conv2d(cin, cout, kernel, padding=kernel // 2)


class Block(nn.Module):
    """EDSR-PyTorch's: body.0 and body.2 with a ReLU between."""

    def __init__(self, channels, scale):
        super().__init__()
        self.body = nn.Sequential(conv(channels, channels), nn.ReLU(), conv(channels, channels))
        self.scale = scale

    def forward(self, x):
        return x + self.scale * self.body(x)


def upsampler(channels, scale):
    parts = []
    for factor in [2, 2] if scale == 4 else [scale]:
        parts += [conv(channels, channels * factor * factor), nn.PixelShuffle(factor)]
    return nn.Sequential(*parts)


class EDSRPyTorch(nn.Module):
    def __init__(self, scale, blocks=3, channels=16, residual_scale=1.0, white=255.0):
        super().__init__()
        self.sub_mean, self.add_mean = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        for layer, sign in ((self.sub_mean, -1), (self.add_mean, 1)):
            layer.weight.data = torch.eye(3).view(3, 3, 1, 1)
            layer.bias.data = sign * white * torch.tensor([0.4488, 0.4371, 0.4040])
        self.head = nn.Sequential(conv(3, channels))
        self.body = nn.Sequential(*[Block(channels, residual_scale) for _ in range(blocks)], conv(channels, channels))
        self.tail = nn.Sequential(upsampler(channels, scale), conv(channels, 3))

    def forward(self, x):
        x = self.head(self.sub_mean(x))
        return self.add_mean(self.tail(x + self.body(x)))


class PlainBlock(nn.Module):
    """BasicSR's ResidualBlockNoBN."""

    def __init__(self, channels, scale):
        super().__init__()
        self.conv1, self.conv2, self.scale = conv(channels, channels), conv(channels, channels), scale

    def forward(self, x):
        return x + self.scale * self.conv2(F.relu(self.conv1(x)))


class EDSRBasicSR(nn.Module):
    def __init__(self, scale, blocks=3, channels=16, residual_scale=1.0, mean=(0.4488, 0.4371, 0.4040), image_range=255.0):
        super().__init__()
        self.mean, self.range = torch.tensor(mean).view(1, 3, 1, 1), image_range
        self.conv_first = conv(3, channels)
        self.body = nn.Sequential(*[PlainBlock(channels, residual_scale) for _ in range(blocks)])
        self.conv_after_body, self.upsample, self.conv_last = conv(channels, channels), upsampler(channels, scale), conv(channels, 3)

    def forward(self, x):
        x = self.conv_first((x - self.mean) * self.range)
        x = x + self.conv_after_body(self.body(x))
        return self.conv_last(self.upsample(x)) / self.range + self.mean


class Dense(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        for i in range(5):
            setattr(self, f"conv{i + 1}", conv(channels + i * growth, growth if i < 4 else channels))

    def forward(self, x):
        parts = [x]
        for i in range(5):
            y = getattr(self, f"conv{i + 1}")(torch.cat(parts, 1))
            parts.append(F.leaky_relu(y, 0.2) if i < 4 else y)
        return x + 0.2 * parts[-1]


class RRDB(nn.Module):
    def __init__(self, channels, growth):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(channels, growth) for _ in range(3))

    def forward(self, x):
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


class RRDBNet(nn.Module):
    """Under BasicSR's names; `renamed` has the two older sets."""

    def __init__(self, inputs=3, blocks=2, channels=16, growth=8):
        super().__init__()
        self.conv_first = conv(inputs, channels)
        self.body = nn.Sequential(*[RRDB(channels, growth) for _ in range(blocks)])
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr, self.conv_last = (
            conv(channels, channels), conv(channels, channels), conv(channels, channels), conv(channels, channels), conv(channels, 3))

    def forward(self, x):
        x = self.conv_first(x)
        x = x + self.conv_body(self.body(x))
        for layer in (self.conv_up1, self.conv_up2):
            x = F.leaky_relu(layer(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(x), 0.2))


def renamed(state, edition, blocks=2):
    """RRDBNet's weights under the names of ESRGAN's first (1) or second (2) edition."""
    first = [("conv_first", "model.0"), ("conv_body", f"model.1.sub.{blocks}"), ("conv_up1", "model.3"), ("conv_up2", "model.6"), ("conv_hr", "model.8"),
             ("conv_last", "model.10")]
    second = [("conv_body", "trunk_conv"), ("conv_up1", "upconv1"), ("conv_up2", "upconv2"), ("conv_hr", "HRconv")]
    result = {}
    for name, value in state.items():
        layer, kind = name.rsplit(".", 1)
        if layer.startswith("body."):
            _, block, dense, inner = layer.split(".")
            dense = dense.upper()
            layer = f"model.1.sub.{block}.{dense}.{inner}.0" if edition == 1 else f"RRDB_trunk.{block}.{dense}.{inner}"
        else:
            layer = dict(first if edition == 1 else second).get(layer, layer)
        result[f"{layer}.{kind}"] = value
    return result


class SRVGGNetCompact(nn.Module):
    def __init__(self, scale, channels=16, layers=4):
        super().__init__()
        body = [conv(3, channels), nn.PReLU(channels)]
        for _ in range(layers):
            body += [conv(channels, channels), nn.PReLU(channels)]
        self.body, self.scale = nn.ModuleList(body + [conv(channels, 3 * scale * scale)]), scale

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        return F.pixel_shuffle(y, self.scale) + F.interpolate(x, scale_factor=self.scale, mode="nearest")


class Exported(nn.Module):
    """A network that no recipe knows, for torch.onnx.export: groups, splits, attention of each pixel on itself."""

    def __init__(self, channels=16):
        super().__init__()
        self.first, self.grouped = conv(3, channels), nn.Conv2d(channels, channels, 3, padding=1, groups=4)
        self.gate, self.last = conv(channels, channels, 1), conv(channels, 12)

    def forward(self, x):
        y = F.leaky_relu(self.first(x), 0.1)
        a, b = torch.split(F.relu(self.grouped(y)), [4, 12], dim=1)
        y = torch.cat([b, a], 1) * torch.sigmoid(self.gate(y)) + y
        return F.pixel_shuffle(self.last(y), 2) + F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
