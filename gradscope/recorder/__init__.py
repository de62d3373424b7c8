"""The recorder sees: it puts hooks in, tells events, and takes every hook out again."""

from gradscope.recorder.recorder import Progress, Recorder, StepLimit

__all__ = ["Progress", "Recorder", "StepLimit"]
