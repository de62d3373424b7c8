"""Transforms of tensors, which the random images already are."""

import torch


class Compose:
    """One transform after the other."""

    def __init__(self, transforms):
        self.transforms = transforms

    def __call__(self, image):
        """The image after all of them."""
        for transform in self.transforms:
            image = transform(image)
        return image


class ToTensor:
    """The image as it is."""

    def __call__(self, image):
        """The same image."""
        return image


class Resize:
    """The image, interpolated to a square."""

    def __init__(self, size):
        self.size = size

    def __call__(self, image):
        """(channels, size, size)."""
        return torch.nn.functional.interpolate(image[None], size=(self.size, self.size))[0]


class Normalize:
    """The image less a mean, over a standard deviation, for each channel."""

    def __init__(self, mean, std):
        self.mean, self.std = torch.tensor(mean)[:, None, None], torch.tensor(std)[:, None, None]

    def __call__(self, image):
        """The image on the new scale."""
        return (image - self.mean) / self.std
