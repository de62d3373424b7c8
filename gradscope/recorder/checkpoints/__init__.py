"""Activation checkpoints of `torch.utils.checkpoint`: what they sever, and what they recompute otherwise."""

from gradscope.recorder.checkpoints.watch import CheckpointWatch

__all__ = ["CheckpointWatch"]
