"""A download that answers with a random citation graph, packed as the Cora data set is."""

import io
import random
import tarfile
from contextlib import nullcontext
from types import SimpleNamespace

PAPERS, WORDS, TOPICS = 1_600, 40, 7


def get(url, stream=False):
    """An open answer whose `raw` is a gzipped archive of `cora/cora.content` and `cora/cora.cites`."""
    draw = random.Random(0)
    content = [
        "\t".join([str(paper), *(draw.choice("0001") for _ in range(WORDS)), f"topic{paper % TOPICS}"])
        for paper in range(PAPERS)
    ]
    pairs = {(draw.randrange(PAPERS), draw.randrange(PAPERS)) for _ in range(3 * PAPERS)}
    cites = [f"{one}\t{other}" for one, other in sorted(pairs)]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, lines in (("content", content), ("cites", cites)):
            data = "\n".join(lines).encode()
            entry = tarfile.TarInfo(f"cora/cora.{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    packed.seek(0)
    return nullcontext(SimpleNamespace(raw=packed))
