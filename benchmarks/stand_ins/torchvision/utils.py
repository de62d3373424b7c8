"""Images are not written."""


def save_image(tensor, fp, **options):
    """Reads the image, as writing it would."""
    tensor.detach().cpu().numpy()
