"""Puts a writer that writes nothing in the place of TensorBoard's, which may not be installed."""

import sys
from types import ModuleType


class SummaryWriter:
    """Takes what TensorBoard's takes."""

    def __init__(self, *arguments, **options):
        """Opens nothing."""

    def add_scalar(self, *arguments):
        """Keeps nothing."""

    def flush(self):
        """Has nothing to write."""


stand_in = ModuleType("torch.utils.tensorboard")
stand_in.SummaryWriter = SummaryWriter
sys.modules["torch.utils.tensorboard"] = stand_in
