"""The published programs: where each comes from, the data it is given, and how it is started."""

from __future__ import annotations

import pickle
import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

NANOGPT = ("karpathy/nanoGPT", "3adf61e154c3fe3fca428ad6bc3818b27a3b8291")
MAKEMORE = ("karpathy/makemore", "988aa59e4d8fefa526d06f3b453ad116258398d4")
MINGPT = ("karpathy/minGPT", "37baab71b9abea1b76ab957409a1cc2fbfba8a26")
EXAMPLES = ("pytorch/examples", "77f55b912142e11fcfdf5b530231fb9c52f181e8")
GANS = ("eriklindernoren/PyTorch-GAN", "36d3c77e5ff20ebe0aeefd322326a134a279b93e")


@dataclass(frozen=True)
class Program:
    """One training program of a repository at a commit, started in its own folder.

    `prepare` makes the data it reads in that folder; `arguments` may name the number of training steps as
    {steps}; a stand-in data set holds `examples` for each of them. `changing` is a pattern of what its
    output shows differently in every run: times. One that is not `healthy` has a bug of its own, listed
    without an edit among the others.
    """

    source: tuple[str, str]
    script: str
    arguments: str
    prepare: Callable[[Path], None] = lambda folder: None
    environment: dict[str, str] = field(default_factory=dict)
    folder: str = ""
    examples: int = 0
    healthy: bool = True
    changing: str = r"step time .*ms|ms/batch +\S+|time: +\S+"


def characters(folder: Path) -> None:
    """A corpus of random characters as nanoGPT's `prepare.py` leaves it."""
    data = folder / "data" / "random"
    data.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for name in ("train", "val"):
        draw.integers(0, 32, 4_096, dtype=np.uint16).tofile(data / f"{name}.bin")
    (data / "meta.pkl").write_bytes(pickle.dumps({"vocab_size": 32}))


def words(folder: Path) -> None:
    """A file of random words, one a line."""
    draw = random.Random(0)
    lines = ["".join(draw.choices(string.ascii_lowercase, k=draw.randint(3, 8))) for _ in range(400)]
    (folder / "names.txt").write_text("\n".join(lines))


def sentences(folder: Path) -> None:
    """Three files of random sentences, in the place of wikitext."""
    draw = random.Random(0)
    data = folder / "random"
    data.mkdir()
    for name in ("train", "valid", "test"):
        lines = [" ".join(f"w{draw.randrange(50)}" for _ in range(9)) for _ in range(48)]
        (data / f"{name}.txt").write_text("\n".join(lines))


def waves(folder: Path) -> None:
    """Sine waves of random phase: (examples, time)."""
    phase = np.random.default_rng(0).integers(-80, 80, (12, 1))
    torch.save(np.sin((np.arange(31)[None] + phase) / 20.0), folder / "traindata.pt")


def results(folder: Path) -> None:
    """The folder that a program writes its pictures to."""
    (folder / "results").mkdir(exist_ok=True)


SMALL_GPT = "--n_layer=2 --n_head=2 --n_embd=32 --block_size=16 --batch_size=4"

PROGRAMS: dict[str, Program] = {
    "nanoGPT": Program(
        NANOGPT,
        "train.py",
        f"--dataset=random --device=cpu --dtype=float32 --compile=False {SMALL_GPT} --eval_iters=2"
        " --gradient_accumulation_steps=2 --warmup_iters=2 --max_iters={steps}",
        characters,
        changing=r"time .*",
    ),
    "makemore GRU": Program(
        MAKEMORE,
        "makemore.py",
        "--type gru --n-embd 16 --n-embd2 16 --num-workers 0 --batch-size 8 --max-steps {steps}",
        words,
    ),
    "minGPT adder": Program(
        MINGPT,
        "projects/adder/adder.py",
        "--model.model_type=None --model.n_layer=2 --model.n_head=2 --model.n_embd=32"
        " --data.ndigit=1 --trainer.num_workers=0 --trainer.batch_size=8 --trainer.max_iters={steps}",
        changing=r"iter_dt .*ms",
    ),
    "word LM": Program(
        EXAMPLES,
        "main.py",
        "--data random --emsize 16 --nhid 16 --batch_size 8 --bptt 8 --epochs 1 --log-interval 2 --lr 5",
        sentences,
        folder="word_language_model",
    ),
    "time sequence": Program(
        EXAMPLES,
        "train.py",
        "--steps 2",
        waves,
        # The program loads NumPy arrays, which torch has refused to unpickle unasked since 2.6.
        environment={"TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
        folder="time_sequence_prediction",
    ),
    "DCGAN": Program(
        EXAMPLES,
        "main.py",
        "--dataset fake --batchSize 4 --ngf 4 --ndf 4 --nz 8 --workers 0 --niter 1 --manualSeed 1",
        examples=4,
        folder="dcgan",
    ),
    "WGAN-GP": Program(
        GANS,
        "wgan_gp.py",
        "--n_epochs 1 --batch_size 4 --latent_dim 8 --n_critic 2",
        examples=4,
        folder="implementations/wgan_gp",
    ),
    "SGAN": Program(
        GANS,
        "sgan.py",
        "--n_epochs 1 --batch_size 4",
        folder="implementations/sgan",
        examples=4,
        healthy=False,
    ),
    "Softmax GAN": Program(
        GANS,
        "softmax_gan.py",
        "--n_epochs 1 --batch_size 4 --latent_dim 8",
        folder="implementations/softmax_gan",
        examples=4,
        healthy=False,
    ),
    "VAE": Program(
        EXAMPLES,
        "main.py",
        "--epochs 1 --batch-size 8 --no-accel --log-interval 1",
        results,
        examples=8,
        folder="vae",
    ),
    "MNIST": Program(
        EXAMPLES,
        "main.py",
        "--epochs 2 --batch-size 4 --no-accel --log-interval 1",
        examples=4,
        folder="mnist",
    ),
    "actor-critic": Program(EXAMPLES, "actor_critic.py", "--log-interval 1", folder="reinforcement_learning"),
    "GCN": Program(
        EXAMPLES,
        "main.py",
        "--epochs {steps} --no-accel --val-every 2",
        folder="gcn",
        changing=r"\(\d+\.\d+s\)",
    ),
}
