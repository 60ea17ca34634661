"""Small networks with random but fixed weights."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


def seeded(module, seed=0, dtype=torch.float32):
    """Give a module random weights, and BatchNorms statistics that do something; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in module.modules():
            for parameter in part.parameters(recurse=False):
                fan = parameter[0].numel() if parameter.ndim > 1 else 4
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan**0.5)
            if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.running_mean is not None:
                part.weight.copy_(1 + 0.3 * torch.rand(part.weight.shape, generator=generator))
                part.running_mean.copy_(0.3 * torch.randn(part.running_mean.shape, generator=generator))
                part.running_var.copy_(0.5 + torch.rand(part.running_var.shape, generator=generator))
    return module.to(dtype).eval()


def noise(*shape, seed=1, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


class Gap(nn.Module):
    """Global average pooling and one linear layer: CAM is exact on it. `features` gives (N,6,h,w)."""

    def __init__(self, channels=3, classes=5):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 4, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
        )
        self.fc = nn.Linear(6, classes)

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


class Vgg(nn.Module):
    """Flattened, with two linear layers and dropout: no CAM. `features` gives (N,5,h/2,w/2) for `size` pixels."""

    def __init__(self, size=12, channels=3, classes=4):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 5, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(5 * (size // 2) ** 2, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, classes)
        )

    def forward(self, x):
        return self.classifier(self.features(x))


class Residual(nn.Module):
    """One ReLU module used three times, an in-place addition, functional calls: as ResNets are written."""

    def __init__(self, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.conv3 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(4, classes)

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x)))
        out = self.conv3(self.relu(self.conv2(x)))
        out += x
        out = self.relu(out)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(out, 1), 1))
