"""What happened when: the slices of `gradscope trace --timeline`, seen by hooks and doors of their own."""

from gradscope.recorder.timeline.timeline import Timeline

__all__ = ["Timeline"]
