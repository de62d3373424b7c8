"""Data sets of random images, as many as the environment says."""

import os

import torch
from torch.utils.data import Dataset


class RandomImages(Dataset):
    """`EXAMPLES` images with values in [0, 1] and labels 0 to 9, always the same."""

    def __init__(self, shape, transform):
        generator = torch.Generator().manual_seed(7)
        count = int(os.environ["EXAMPLES"])
        self.data = torch.rand(count, *shape, generator=generator)
        self.targets = torch.randint(0, 10, (count,), generator=generator)
        self.transform = transform

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        return self.transform(self.data[index]), int(self.targets[index])


class MNIST(RandomImages):
    """Images of the shape of the digits."""

    def __init__(self, root, train=True, transform=None, target_transform=None, download=False):
        super().__init__((1, 28, 28), transform)


class FakeData(RandomImages):
    """Images of a given shape."""

    def __init__(self, size=1000, image_size=(3, 224, 224), num_classes=10, transform=None):
        super().__init__(image_size, transform)
