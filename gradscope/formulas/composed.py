"""Functions that leave no node of their own, by the nodes that do their work, not those that only reshape.

Keys are as `names.folded` makes them of a function's name: small letters, without underscores and dots.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CONVOLUTION = ("ConvolutionBackward0",)
_SUM_OF_PRODUCTS = ("MmBackward0", "BmmBackward0", "MvBackward0", "DotBackward0")
_SLICES = ("SliceBackward0",)
_VIEW = ("ViewBackward0",)
_TO = ("ToCopyBackward0",)

COMPOSED: Final[Mapping[str, tuple[str, ...]]] = {
    # products
    "matmul": _SUM_OF_PRODUCTS,
    "rmatmul": _SUM_OF_PRODUCTS,
    "linear": ("AddmmBackward0", "MmBackward0"),
    "einsum": ("BmmBackward0", "MulBackward0", "SumBackward1"),
    "tensordot": ("MmBackward0",),
    "inner": ("DotBackward0", "MulBackward0"),
    "outer": ("MulBackward0",),
    "kron": ("MulBackward0",),
    "bilinear": ("TrilinearBackward0", "AddBackward0"),
    "scaleddotproductattention": (
        "ScaledDotProductFlashAttentionForCpuBackward0",
        "BmmBackward0",
        "SafeSoftmaxBackward0",
    ),
    # transforms and recurrent layers
    "fftfft": ("FftC2CBackward0", "FftR2CBackward0"),
    "fftifft": ("FftC2CBackward0", "FftR2CBackward0"),
    "fftrfft": ("FftR2CBackward0",),
    "fftirfft": ("FftC2RBackward0",),
    "lstm": ("MkldnnRnnLayerBackward0", "CudnnRnnBackward0"),
    # layers
    "conv1d": _CONVOLUTION,
    "conv2d": _CONVOLUTION,
    "conv3d": _CONVOLUTION,
    "convtranspose1d": _CONVOLUTION,
    "convtranspose2d": _CONVOLUTION,
    "convtranspose3d": _CONVOLUTION,
    "layernorm": ("NativeLayerNormBackward0",),
    "groupnorm": ("NativeGroupNormBackward0",),
    "batchnorm": ("NativeBatchNormBackward0",),
    "batchnorm1d": ("NativeBatchNormBackward0",),
    "batchnorm2d": ("NativeBatchNormBackward0",),
    "batchnorm3d": ("NativeBatchNormBackward0",),
    "instancenorm": ("NativeBatchNormBackward0", "RepeatBackward0"),
    "rmsnorm": ("PowBackward0", "MeanBackward1", "AddBackward1", "RsqrtBackward0", "MulBackward0"),
    "dropout": ("MulBackward0",),
    "dropout2d": ("MulBackward0",),
    "maxpool1d": ("MaxPool2DWithIndicesBackward0",),
    "maxpool2d": ("MaxPool2DWithIndicesBackward0",),
    "maxpool3d": ("MaxPool3DWithIndicesBackward0",),
    "avgpool1d": ("AvgPool2DBackward0",),
    "adaptiveavgpool1d": ("AdaptiveAvgPool2DBackward0", "MeanBackward1"),
    "adaptiveavgpool2d": ("AdaptiveAvgPool2DBackward0", "MeanBackward1"),
    "gridsample": ("GridSampler2DBackward0", "GridSampler3DBackward0"),
    "interpolate": (
        "UpsampleNearest2DBackward0",
        "UpsampleBilinear2DBackward0",
        "UpsampleBicubic2DBackward0",
    ),
    # activations
    "relu6": ("HardtanhBackward0",),
    "selu": ("EluBackward0",),
    "prelu": ("PreluKernelBackward0",),
    "rrelu": ("RreluWithNoiseBackward0",),
    "softmin": ("NegBackward0", "SoftmaxBackward0"),
    "softsign": ("AbsBackward0", "AddBackward0", "DivBackward0"),
    "tanhshrink": ("SubBackward0", "TanhBackward0"),
    # losses
    "crossentropy": ("LogSoftmaxBackward0", "NllLossBackward0", "NllLoss2DBackward0"),
    "nllloss": ("NllLossBackward0", "NllLoss2DBackward0"),
    "bce": ("BinaryCrossEntropyBackward0",),
    "bcewithlogits": ("BinaryCrossEntropyWithLogitsBackward0",),
    "l1loss": ("SubBackward0", "AbsBackward0", "MeanBackward0", "SumBackward0"),
    "kldiv": ("SubBackward0", "MulBackward0", "MeanBackward0", "SumBackward0"),
    "cosinesimilarity": ("LinalgVectorNormBackward0", "DivBackward0", "MulBackward0", "SumBackward1"),
    "normalize": ("LinalgVectorNormBackward0", "ClampMinBackward0", "DivBackward0"),
    "pairwisedistance": ("SubBackward0", "AddBackward1", "NormBackward1"),
    # functions of elements
    "square": ("PowBackward0",),
    "floatpower": ("PowBackward1",),
    "truedivide": ("DivBackward0",),
    "truediv": ("DivBackward0",),
    "rdiv": ("ReciprocalBackward0", "MulBackward0"),
    "rtruediv": ("ReciprocalBackward0", "MulBackward0"),
    "radd": ("AddBackward0",),
    "rmul": ("MulBackward0",),
    "rpow": ("PowBackward1",),
    # linear algebra
    "inverse": ("LinalgInvExBackward0",),
    "linalginv": ("LinalgInvExBackward0",),
    "det": ("LinalgDetBackward0",),
    "slogdet": ("LinalgSlogdetBackward0",),
    "logdet": ("LinalgSlogdetBackward0",),
    "linalgsolve": ("LinalgSolveExBackward0",),
    "linalgcholesky": ("LinalgCholeskyExBackward0",),
    "svd": ("LinalgSvdBackward0",),
    "linalgsvdvals": ("LinalgSvdBackward0",),
    "qr": ("LinalgQrBackward0",),
    "linalgeigvalsh": ("LinalgEighBackward0",),
    "linalgnorm": ("LinalgVectorNormBackward0", "LinalgSvdBackward0"),
    "norm": ("LinalgVectorNormBackward0",),
    "cross": ("LinalgCrossBackward0",),
    "matrixexp": ("LinalgMatrixExpBackward0",),
    "cdist": ("CdistBackward0", "EuclideanDistBackward0"),
    # moves
    "reshape": _VIEW,
    "flatten": _VIEW,
    "unflatten": _VIEW,
    "viewas": _VIEW,
    "expandas": ("ExpandBackward0",),
    "broadcastto": ("ExpandBackward0",),
    "movedim": ("PermuteBackward0",),
    "mt": ("TransposeBackward0",),
    "mh": ("TransposeBackward0",),
    "chunk": ("SplitBackward0",),
    "tensorsplit": _SLICES,
    "narrow": _SLICES,
    "getitem": ("SelectBackward0", "SliceBackward0", "IndexBackward0"),
    "setitem": ("CopySlices", "CopyBackwards", "IndexPutBackward0"),
    "copy": ("CopyBackwards",),
    "hstack": ("CatBackward0",),
    "vstack": ("CatBackward0",),
    "tile": ("RepeatBackward0",),
    "repeatinterleave": ("IndexSelectBackward0", "ExpandBackward0"),
    "pad": ("ConstantPadNdBackward0", "ReflectionPad2DBackward0", "ReplicationPad2DBackward0"),
    "diag": ("DiagEmbedBackward0", "DiagonalBackward0_copy"),
    "contiguous": ("CloneBackward0",),
    "to": _TO,
    "float": _TO,
    "half": _TO,
    "double": _TO,
    "bfloat16": _TO,
}
