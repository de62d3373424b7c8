"""The little of matplotlib that the published programs use; nothing is drawn."""


def use(backend):
    """Any backend will do."""
