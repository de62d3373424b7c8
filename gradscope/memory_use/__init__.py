"""Memory: what checkpointing would change, measured on the same work, and planned for a budget.

The breakdown of a run (what is saved, when it peaks) is the recorder's; here one step is run again in
different ways, on real or on fake tensors.
"""
