"""EDSR and its small relatives: head, residual blocks, a convolution, the global skip, and sub-pixel upsampling."""
import torch
from torch import nn
from torch.nn import functional as F


def convolution(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def widened(own, other):
    """`own` with `other` in its first channels: [out, in, kh, kw] or [out]. Outputs of `other` read its inputs alone."""
    wide = own.clone()
    wide[:len(other)] = 0
    wide[tuple(slice(size) for size in other.shape)] = other
    return wide


class Block(nn.Module):
    def __init__(self, channels, residual_scale):
        super().__init__()
        self.conv1, self.conv2 = convolution(channels, channels), convolution(channels, channels)
        self.residual_scale = residual_scale

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(x)))
        return x + (y if self.residual_scale == 1 else y * self.residual_scale)


class EDSR(nn.Module):
    """Takes and gives [N, 3, H, W] of (p - mean) * input_scale, p in 0..255; `upscale` works on p itself."""

    def __init__(self, scale, blocks, channels, residual_scale=1.0, mean=114.0, input_scale=1 / 127.5):
        super().__init__()
        self.options = dict(scale=scale, blocks=blocks, channels=channels, residual_scale=residual_scale,
                            mean=mean, input_scale=input_scale)
        self.scale, self.mean, self.input_scale = scale, mean, input_scale
        self.head = convolution(3, channels)
        self.blocks = nn.ModuleList(Block(channels, residual_scale) for _ in range(blocks))
        self.body = convolution(channels, channels)
        self.tail = convolution(channels, 3 * scale**2)
        self.start_as_bilinear()

    def features(self, x):
        first = y = self.head(x)
        for block in self.blocks:
            y = block(y)
        return self.body(y) + first

    def forward(self, x):
        return F.pixel_shuffle(self.tail(self.features(x)), self.scale)

    def upscale(self, pixels):
        return self((pixels - self.mean) * self.input_scale) / self.input_scale + self.mean

    @torch.no_grad()
    def start_as_bilinear(self):
        """Weights such that the untrained network is close to bilinear upscaling: it has only detail to learn.

        Three channels of the head carry the picture itself through the global skip to the tail.
        """
        self.head.weight[:3] = 0
        self.head.bias[:3] = 0
        for block in self.blocks:
            block.conv2.weight.mul_(0.2)
        for layer in (self.body, self.tail):
            layer.weight.mul_(0.1)
            layer.bias.zero_()
        offset = (torch.arange(self.scale) + 0.5) / self.scale - 0.5
        taps = torch.stack([(-offset).clamp(min=0), 1 - offset.abs(), offset.clamp(min=0)], dim=1)
        filters = torch.einsum("ia,jb->ijab", taps, taps).reshape(-1, 3, 3)
        for colour in range(3):
            self.head.weight[colour, colour, 1, 1] = 1
            self.tail.weight[colour * self.scale**2:(colour + 1) * self.scale**2, colour] = filters

    @torch.no_grad()
    def start_from(self, state, scale):
        """Takes the trunk of another network's weights; its tail's phases are interpolated to this scale's.

        The other may have fewer blocks and fewer channels: it gives the same pictures at first. Blocks beyond its own change
        nothing, and its channels do not read the new ones (as in Net2Net, Chen et al. 2016), which begin at random.
        """
        own = self.state_dict()
        for name in own:
            if name.startswith("blocks.") and ".conv2." in name and name not in state:
                own[name] = torch.zeros_like(own[name])
        for name, value in state.items():
            if not name.startswith("tail."):
                own[name] = widened(own[name], value)
        first, last = 0.5 / scale - 0.5, 0.5 - 0.5 / scale
        position = ((torch.arange(self.scale) + 0.5) / self.scale - 0.5 - first) / (last - first) * (scale - 1)
        lower = position.floor().clamp(0, scale - 2).long()
        mix = torch.zeros(self.scale, scale)
        mix[torch.arange(self.scale), lower] = 1 - (position - lower)
        mix[torch.arange(self.scale), lower + 1] += position - lower
        for name in ("tail.weight", "tail.bias"):
            old = state[name]
            phases = old.reshape(3, scale, scale, *old.shape[1:])
            own[name] = widened(own[name], torch.einsum("ip,jq,cpq...->cij...", mix, mix, phases).reshape(-1, *old.shape[1:]))
        self.load_state_dict(own)
