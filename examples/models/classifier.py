"""A file that only defines a model, and a function that returns a loss.

    gradscope trace examples/models/classifier.py --input 'randn(8, 1, 28, 28)'
    gradscope trace examples/models/classifier.py:Classifier --loss cross_entropy --steps 3
    gradscope trace examples/models/classifier.py:training_loss

Look for: the module tree with the gradient of every parameter. Without --input the shape is guessed
from the first convolution, and the report says so.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels_out)

    def forward(self, x):
        return F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)


class Classifier(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.blocks = nn.Sequential(Block(1, 8), Block(8, 16))
        self.head = nn.Linear(16 * 7 * 7, classes)

    def forward(self, images):
        return self.head(self.blocks(images).flatten(1))


def training_loss():
    model = Classifier()
    return F.cross_entropy(model(torch.randn(8, 1, 28, 28)), torch.arange(8))
