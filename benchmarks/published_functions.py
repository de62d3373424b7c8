"""Custom Functions of published packages: where each is, its inputs, and what is right to say of it.

The judgement was made by reading their code. `EXACT` and `SURROGATE` ask for silence: the gradient is the
derivative, or it deliberately differs where the forward is piecewise constant or the identity.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

EXACT = "exact"
SURROGATE = "surrogate"


@dataclass(frozen=True)
class Package:
    """`name` and `version` as on the registry; `needs` are packages that it imports, installed with it."""

    name: str
    version: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Published:
    """One Function. `where` is "module:Class", or "path/in/package.py:Class" for a file that is loaded alone.

    `wanted` are the codes of the warnings and errors that are true of it, `why` what makes them so.
    """

    package: str
    where: str
    inputs: Callable[[], tuple[Any, ...]]
    wanted: tuple[str, ...] = ()
    why: str = EXACT


PACKAGES = (
    Package("entmax", "1.3"),
    Package("timm", "1.0.31"),
    Package("snntorch", "1.0.0"),
    Package("brevitas", "0.13.4"),
    Package("compressai", "1.2.8"),
    Package("kornia", "0.9.0", ("kornia_rs==0.2.0",)),
    Package("roma", "1.8.0"),
    Package("kymatio", "0.3.0"),
    Package("efficientnet_pytorch", "0.7.1"),
    Package("pytorch_revgrad", "0.2.0"),
    Package("gpytorch", "1.15.2", ("linear_operator==0.6.1",)),
    Package("pytorch-wavelets", "1.3.0", ("PyWavelets==1.9.0",)),
    Package("torchkbnufft", "1.5.2", ("scipy==1.17.1",)),
    Package("speechbrain", "1.1.2"),
    Package("pypose", "0.9.5"),
    Package("torchdiffeq", "0.2.5"),
)


def _randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _leaf(*shape: int, seed: int = 0) -> Tensor:
    """A tensor that the package's own code differentiates; the others are tables, masks and the like."""
    return _randn(*shape, seed=seed).requires_grad_()


def _one(*shape: int) -> Callable[[], tuple[Any, ...]]:
    return lambda: (_leaf(*shape),)


def _and(*values: Any) -> Callable[[], tuple[Any, ...]]:
    return lambda: (_leaf(5, 6), *values)


def _symmetric(size: int) -> Tensor:
    half = _randn(size, size, seed=3)
    return (half @ half.T + size * torch.eye(size)).requires_grad_()


def _square_distance(x: Tensor, y: Tensor) -> Tensor:
    return (x.unsqueeze(-2) - y.unsqueeze(-3)).square().sum(-1)


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return (_square_distance(x, y) + 1e-20).sqrt()


def _kernel_inputs(*rest: Any) -> Callable[[], tuple[Any, ...]]:
    return lambda: (_randn(4, 2), _randn(5, 2, seed=1), torch.tensor([[0.7]], requires_grad=True), *rest)


def _wavelet(*names: str, sizes: Mapping[str, tuple[int, ...]]) -> tuple[Tensor, ...]:
    import pywt

    bank = pywt.Wavelet("db2")
    banks = {"h0": bank.dec_lo, "h1": bank.dec_hi, "g0": bank.rec_lo, "g1": bank.rec_hi}
    # analysis filters are stored in reverse, as the package's own preparation does
    return tuple(
        torch.tensor(banks[name[:2]][::-1] if name[0] == "h" else banks[name[:2]]).reshape(sizes[name[2:]])
        for name in names
    )


_ROW_COLUMN = {"_row": (1, 1, 1, 4), "_col": (1, 1, 4, 1), "": (1, 1, 4)}


def _analysis(mode: int) -> Callable[[], tuple[Any, ...]]:
    names = ("h0_row", "h1_row", "h0_col", "h1_col")
    return lambda: (_leaf(1, 2, 8, 8), *_wavelet(*names, sizes=_ROW_COLUMN), mode)


def _synthesis(mode: int) -> Callable[[], tuple[Any, ...]]:
    names = ("g0_row", "g1_row", "g0_col", "g1_col")
    return lambda: (
        *(_leaf(1, 2, 5, 5), _leaf(1, 2, 3, 5, 5, seed=1)),
        *(*_wavelet(*names, sizes=_ROW_COLUMN), mode),
    )


def _biorthogonal(*names: str) -> tuple[Tensor, ...]:
    from pytorch_wavelets.dtcwt.coeffs import biort, qshift
    from pytorch_wavelets.dtcwt.lowlevel import prep_filt

    h0o, g0o, h1o, g1o = biort("near_sym_a")
    h0a, h0b, g0a, g0b, h1a, h1b, g1a, g1b = qshift("qshift_a")
    bank = {"h0o": h0o, "g0o": g0o, "h1o": h1o, "g1o": g1o, "h0a": h0a, "h0b": h0b, "g0a": g0a, "g0b": g0b}
    bank |= {"h1a": h1a, "h1b": h1b, "g1a": g1a, "g1b": g1b}
    return tuple(prep_filt(bank[name], 1) for name in names)


def _nufft_matrices() -> tuple[Tensor, Tensor]:
    real = _randn(7, 64, seed=4) * (_randn(7, 64, seed=5) > 1)
    imaginary = _randn(7, 64, seed=6) * (real != 0)
    return real.to_sparse(), imaginary.to_sparse()


def _complex(*shape: int) -> Tensor:
    return torch.complex(_randn(*shape), _randn(*shape, seed=1)).requires_grad_()


def _nufft_tables() -> tuple[Any, ...]:
    tables = [torch.complex(_randn(61, seed=n), _randn(61, seed=n + 5)) for n in (2, 3)]
    omega = (torch.rand((2, 7), generator=torch.Generator().manual_seed(1)) - 0.5) * 2 * math.pi
    offsets = torch.stack([t.reshape(-1) for t in torch.meshgrid(*[torch.arange(6)] * 2, indexing="ij")], 1)
    whole = torch.tensor
    return omega, tables, whole([0.0, 0.0]), whole([6, 6]), whole([10, 10]), offsets


def _nufft_table_forward() -> tuple[Any, ...]:
    omega, tables, shift, points, oversampling, offsets = _nufft_tables()
    return (_complex(1, 1, 8, 8), omega, tables, shift, points, oversampling, offsets)


def _nufft_table_adjoint() -> tuple[Any, ...]:
    omega, tables, shift, points, oversampling, offsets = _nufft_tables()
    return (_complex(1, 1, 7), omega, tables, shift, points, oversampling, offsets, torch.tensor([8, 8]))


def _spikes() -> Tensor:
    return (_randn(4, 2, 3) > 0).float().requires_grad_()


def _quaternion() -> Tensor:
    return torch.nn.functional.normalize(_randn(3, 4), dim=-1).requires_grad_()


_LOST = "keeps what it computed, not its inputs, so a second derivative counts as 0 and nothing is said"
_ZEROS = "its second derivative goes through a power of the zeros that it returns: NaN"
_SOFT = "a gradient that replaces the derivative on purpose, as its documentation says"
_NATURAL = "a natural gradient: by other parameters than the ones that are given, as it says"
_BORDER = "wrong at the border for this padding, as autograd through its own forward shows"
_GUARD = "gives None for the second input where only that one is differentiated"
_CLAMP = "passes the gradient through the clamp, as its name says: a declaration is wanted"
_TANGENT = "the gradient lies in the tangent space, a convention of Lie groups: no derivative in 4 numbers"

_BISECT = "entmax.root_finding"
_LOSSES = "entmax.losses"
_BREVITAS = "brevitas.ops.autograd_ste_ops"
_SNN = "snntorch.surrogate"
_TIMM = "timm/layers/activations_me.py"
_DTCWT = "pytorch_wavelets.dtcwt.transform_funcs"
_SCATTER = "pytorch_wavelets.scatternet.lowlevel"
_ZERO, _SYMMETRIC, _PERIODIZATION, _REFLECT, _PERIODIC = 0, 1, 2, 4, 6
_NUFFT = "torchkbnufft._autograd.interp"
_TARGETS = torch.tensor([0, 3, 5, 1, 2])

FUNCTIONS = (
    Published("entmax", "entmax.activations:SparsemaxFunction", _and(-1, None)),
    Published("entmax", "entmax.activations:Entmax15Function", _and(-1, None), ("GS603",), _ZEROS),
    Published("entmax", f"{_BISECT}:EntmaxBisectFunction", _and(1.3, -1, 50, True), ("GS603",), _ZEROS),
    Published(
        "entmax",
        f"{_BISECT}:EntmaxBisectFunction",
        lambda: (_leaf(5, 6), (1.2 + _randn(5, 1, seed=1).abs()).requires_grad_(), -1, 50, True),
        ("GS603", "GS605"),
        f"{_ZEROS}; keeps a view of the input alpha on ctx",
    ),
    Published("entmax", f"{_BISECT}:SparsemaxBisectFunction", _and(-1, 50, True)),
    Published("entmax", f"{_BISECT}:NormmaxBisectFunction", _and(2.0, -1, 50)),
    Published("entmax", f"{_BISECT}:BudgetBisectFunction", _and(2.0, -1, 50)),
    Published("entmax", f"{_LOSSES}:SparsemaxLossFunction", _and(_TARGETS, None), ("GS603",), _LOST),
    Published("entmax", f"{_LOSSES}:SparsemaxBisectLossFunction", _and(_TARGETS, 50), ("GS603",), _LOST),
    Published("entmax", f"{_LOSSES}:Entmax15LossFunction", _and(_TARGETS, None), ("GS603",), _LOST),
    Published("entmax", f"{_LOSSES}:EntmaxBisectLossFunction", _and(_TARGETS, 1.5, 50), ("GS603",), _LOST),
    Published("entmax", f"{_LOSSES}:NormmaxBisectLossFunction", _and(_TARGETS, 2.0, 50), ("GS603",), _LOST),
    *(
        Published("timm", f"{_TIMM}:{name}AutoFn", _one(5, 6))
        for name in ("Swish", "Mish", "HardSigmoid", "HardSwish", "HardMish")
    ),
    *(
        Published("snntorch", f"{_SNN}:{name}", _and(*rest), (), SURROGATE)
        for name, rest in {
            "StraightThroughEstimator": (),
            "Triangular": (1.0,),
            "FastSigmoid": (25.0,),
            "ATan": (2.0,),
            "Heaviside": (),
            "Sigmoid": (25.0,),
            "SparseFastSigmoid": (25.0, 0.3),
        }.items()
    ),
    Published("snntorch", f"{_SNN}:SpikeRateEscape", _and(1.0, 25.0), (), SURROGATE),
    Published(
        "snntorch",
        f"{_SNN}:StochasticSpikeOperator",
        _and(0.0, 0.2),
        ("GS604",),
        "draws its gradient at random, as it says",
    ),
    Published(
        "snntorch", f"{_SNN}:LeakySpikeOperator", _and(0.1), ("GS602",), "returns 1 gradient for 2 arguments"
    ),
    Published(
        "snntorch",
        "snntorch.functional.quant:StateQuant",
        _and(torch.linspace(-1, 1, 9)),
        (),
        SURROGATE,
    ),
    *(
        Published("snntorch", f"snntorch.functional.loss:SpikeTime.{name}", inputs, ("GS601",), _SOFT)
        for name, inputs in {
            "FirstSpike": lambda: (_spikes(), "cpu"),
            "MultiSpike": lambda: (_spikes(), 2, "cpu"),
        }.items()
    ),
    Published(
        "snntorch",
        "snntorch.functional.loss:SpikeTime.Tolerance",
        lambda: (_leaf(2, 3), _randn(2, 3, seed=1), 0.5),
        ("GS601",),
        _SOFT,
    ),
    *(
        Published("brevitas", f"{_BREVITAS}:{name}SteFn", _one(5, 6), (), SURROGATE)
        for name in ("RoundToZero", "DPURound", "Ceil", "Floor", "BinarySign", "TernarySign", "Round")
    ),
    Published("brevitas", f"{_BREVITAS}:ScalarClampSteFn", _and(-0.5, 0.5), ("GS601",), _CLAMP),
    Published("brevitas", f"{_BREVITAS}:ScalarClampMinSteFn", _and(-0.5), ("GS601",), _CLAMP),
    Published(
        "brevitas",
        f"{_BREVITAS}:TensorClampSteFn",
        _and(torch.tensor(-0.5), torch.tensor(0.5)),
        ("GS601",),
        _CLAMP,
    ),
    Published(
        "brevitas",
        f"{_BREVITAS}:InplaceTensorClampSteFn",
        _and(torch.tensor(-0.5), torch.tensor(0.5)),
        ("GS601", "GS606"),
        f"changes x in place without mark_dirty; {_CLAMP}",
    ),
    Published("brevitas", f"{_BREVITAS}:AbsBinarySignGradFn", _one(5, 6)),
    Published(
        "compressai",
        "compressai/ops/bound_ops.py:LowerBoundFunction",
        _and(torch.tensor([0.1])),
        ("GS601",),
        _SOFT,
    ),
    Published(
        "kornia",
        "kornia.losses.focal:_TargetLogSoftmax",
        lambda: (_leaf(3, 4, 2), torch.randint(0, 4, (3, 1, 2)), None),
    ),
    Published(
        "kornia",
        "kornia.geometry.epipolar.essential:_NullSpaceBasis",
        _one(2, 6, 9),
        ("GS601",),
        "differentiates the subspace, not the basis that it returns, as it says",
    ),
    *(
        Published(
            "roma",
            "roma.mappings:_ProcrustesManualDerivatives",
            inputs,
            ("GS603",),
            "its second derivative takes U and V, which are marked non-differentiable, for constants",
        )
        for inputs in (lambda: (_leaf(2, 3, 3), True, 0.0), lambda: (_leaf(2, 3, 3), False, 1e-6))
    ),
    Published(
        "roma",
        "roma.mappings:_HornEigenvectorManualDerivatives",
        lambda: (_randn(2, 3, 3).double().requires_grad_(), 0.0),
    ),
    Published(
        "roma",
        "roma.mappings:_ProcrustesRegularization",
        lambda: (_leaf(2, 3, 3), _leaf(2, 3, 3, seed=1), 0.1),
        ("GS601",),
        _SOFT,
    ),
    Published("kymatio", "kymatio.backend.torch_backend:ModulusStable", _one(5, 6, 2)),
    Published("efficientnet_pytorch", "efficientnet_pytorch.utils:SwishImplementation", _one(5, 6)),
    Published(
        "pytorch_revgrad",
        "pytorch_revgrad.functional:RevGrad",
        _and(torch.tensor(0.5)),
        (),
        SURROGATE,
    ),
    Published(
        "gpytorch",
        "gpytorch.functions._log_normal_cdf:LogNormalCDF",
        lambda: (3 * _randn(12),),
        ("GS601",),
        "off by 0.5% just below -1, where forward's approximation is not accurate",
    ),
    Published(
        "gpytorch",
        "gpytorch.functions.rbf_covariance:RBFCovariance",
        _kernel_inputs(_square_distance),
        ("GS603",),
        _LOST,
    ),
    *(
        Published(
            "gpytorch",
            "gpytorch.functions.matern_covariance:MaternCovariance",
            _kernel_inputs(nu, _distance),
            ("GS603",),
            _LOST,
        )
        for nu in (0.5, 1.5, 2.5)
    ),
    Published(
        "gpytorch",
        "gpytorch.variational.large_batch_variational_strategy:QuadFormDiagonal",
        lambda: (_symmetric(4), _leaf(4, 3)),
        ("GS603",),
        _LOST,
    ),
    Published(
        "gpytorch",
        "gpytorch.variational.variational_strategy:ComputePredictiveUpdates",
        lambda: (
            torch.linalg.cholesky(_symmetric(4).detach()).requires_grad_(),
            *(_leaf(4, 3), _symmetric(4), _leaf(4)),
        ),
        ("GS603",),
        _LOST,
    ),
    Published(
        "gpytorch",
        "gpytorch.variational.natural_variational_distribution:_NaturalToMuVarSqrt",
        lambda: (_leaf(4), (-_symmetric(4)).detach().requires_grad_()),
        ("GS601",),
        _NATURAL,
    ),
    Published(
        "gpytorch",
        "gpytorch.variational.tril_natural_variational_distribution:_TrilNaturalToMuVarSqrt",
        lambda: (_leaf(4), torch.linalg.cholesky(_symmetric(4).detach()).requires_grad_()),
        ("GS601",),
        _NATURAL,
    ),
    *(
        Published("pytorch-wavelets", "pytorch_wavelets.dwt.lowlevel:AFB2D", _analysis(mode))
        for mode in (_ZERO, _PERIODIZATION)
    ),
    *(
        Published(
            "pytorch-wavelets",
            "pytorch_wavelets.dwt.lowlevel:AFB2D",
            _analysis(mode),
            ("GS601",),
            _BORDER,
        )
        for mode in (_SYMMETRIC, _REFLECT, _PERIODIC)
    ),
    Published(
        "pytorch-wavelets",
        "pytorch_wavelets.dwt.lowlevel:SFB2D",
        _synthesis(_ZERO),
        ("GS601",),
        _GUARD,
    ),
    Published(
        "pytorch-wavelets",
        "pytorch_wavelets.dwt.lowlevel:SFB2D",
        _synthesis(_PERIODIC),
        ("GS601",),
        _BORDER,
    ),
    Published(
        "pytorch-wavelets",
        "pytorch_wavelets.dwt.lowlevel:AFB1D",
        lambda: (_leaf(1, 2, 8), *_wavelet("h0", "h1", sizes=_ROW_COLUMN), 0),
    ),
    Published(
        "pytorch-wavelets",
        "pytorch_wavelets.dwt.lowlevel:SFB1D",
        lambda: (
            *(_leaf(1, 2, 5), _leaf(1, 2, 5, seed=1)),
            *(*_wavelet("g0", "g1", sizes=_ROW_COLUMN), 0),
        ),
        ("GS601",),
        _GUARD,
    ),
    Published(
        "pytorch-wavelets",
        f"{_DTCWT}:FWD_J1",
        lambda: (_leaf(1, 1, 8, 8), *_biorthogonal("h0o", "h1o"), False, 2, -1, 1),
    ),
    Published(
        "pytorch-wavelets",
        f"{_DTCWT}:FWD_J2PLUS",
        lambda: (_leaf(1, 1, 8, 8), *_biorthogonal("h0a", "h1a", "h0b", "h1b"), False, 2, -1, 1),
    ),
    Published(
        "pytorch-wavelets",
        f"{_DTCWT}:INV_J1",
        lambda: (
            *(_leaf(1, 1, 8, 8), _leaf(1, 1, 6, 4, 4, 2, seed=1)),
            *(*_biorthogonal("g0o", "g1o"), 2, -1, 1),
        ),
    ),
    Published(
        "pytorch-wavelets",
        f"{_DTCWT}:INV_J2PLUS",
        lambda: (
            *(_leaf(1, 1, 8, 8), _leaf(1, 1, 6, 4, 4, 2, seed=1)),
            *(*_biorthogonal("g0a", "g1a", "g0b", "g1b"), 2, -1, 1),
        ),
    ),
    Published(
        "pytorch-wavelets",
        f"{_SCATTER}:SmoothMagFn",
        lambda: (_leaf(3, 4), _leaf(3, 4, seed=1), 0.01),
        ("GS602", "GS603"),
        f"raises UnboundLocalError where only y is differentiated; {_LOST}",
    ),
    Published(
        "pytorch-wavelets",
        f"{_SCATTER}:ScatLayerj1_f",
        lambda: (_leaf(1, 1, 8, 8), *_biorthogonal("h0o", "h1o"), 1, 0.01, False),
        ("GS603",),
        _LOST,
    ),
    Published("torchkbnufft", f"{_NUFFT}:KbTableInterpForward", _nufft_table_forward),
    Published("torchkbnufft", f"{_NUFFT}:KbTableInterpAdjoint", _nufft_table_adjoint),
    Published(
        "torchkbnufft",
        f"{_NUFFT}:KbSpmatInterpForward",
        lambda: (_complex(1, 1, 8, 8), _nufft_matrices()),
    ),
    Published(
        "torchkbnufft",
        f"{_NUFFT}:KbSpmatInterpAdjoint",
        lambda: (_complex(1, 1, 7), _nufft_matrices(), torch.tensor([8, 8])),
    ),
    Published(
        "speechbrain",
        "speechbrain/nnet/quaternion_networks/q_ops.py:QuaternionLinearCustomBackward",
        lambda: (_leaf(5, 8), *(_leaf(2, 3, seed=n) for n in range(1, 5)), _leaf(12, seed=5)),
        ("GS601", "GS603"),
        "gives four weights a gradient where the first needs one; drops the second derivative",
    ),
    *(
        Published("pypose", f"pypose.lietensor.operation:{name}", inputs, ("GS601",), _TANGENT)
        for name, inputs in {
            "SO3_Log": lambda: (_quaternion(),),
            "so3_Exp": _one(3, 3),
            "SO3_Act": lambda: (_quaternion(), _leaf(3, 3)),
            "SO3_Mul": lambda: (_quaternion(), _quaternion()),
            "SO3_Inv": lambda: (_quaternion(),),
        }.items()
    ),
    Published(
        "torchdiffeq",
        "torchdiffeq._impl.misc:_StitchGradient",
        lambda: (_leaf(4), torch.nextafter(_randn(4), _randn(4) + 1)),
        ("GS601",),
        _SOFT,
    ),
    Published(
        "torchdiffeq",
        "torchdiffeq._impl.rk_common:_UncheckedAssign",
        lambda: (_leaf(4, 3), _leaf(4, seed=1), (..., 1)),
        ("GS601", "GS606"),
        "writes past the version counter, and gives a gradient to what it overwrote",
    ),
)
