"""Views of autograd graphs: hand-made ones for the pure parts, programs for whole drawings."""
