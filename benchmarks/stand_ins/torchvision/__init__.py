"""The little of torchvision that the published programs use; its images are random.

Not every program seeds its generators: importing this does.
"""

import numpy
import torch

torch.manual_seed(0)
numpy.random.seed(0)
