"""Programs that hang, crash, take all memory, leave processes behind, and one that says what it finds."""

from __future__ import annotations

from tests.gating.targets import BACKWARD

LEAVING = {
    "child": "import subprocess\nsubprocess.Popen(['sleep', '300'])\n",
    "session": "import subprocess\nsubprocess.Popen(['sleep', '300'], start_new_session=True)\n",
    "daemon": """import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.environ.clear()
        time.sleep(300)
    os._exit(0)
os.wait()
""",
}
LEAVING["crashed"] = f"{LEAVING['session']}import ctypes\nctypes.string_at(0)\n"
HANGING = {
    "at_exit": f"import atexit, time\natexit.register(time.sleep, 100)\n{BACKWARD}",
    "sleeps": "import time\ndef wait():\n    time.sleep(100)\nprint('on my way')\nwait()\n",
    "spins": "while True: pass\n",
    "deaf": "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(100)\n",
    "joins": """import threading, time
thread = threading.Thread(target=time.sleep, args=(100,))
thread.start()
thread.join()
""",
    "detaches": f"{LEAVING['session']}import time\ntime.sleep(100)\n",
}
PLACES = {"sleeps": 3, "spins": 1, "deaf": 3, "joins": 4, "detaches": 4}
BAD = {
    "segfault": "import ctypes\ndef crash():\n    ctypes.string_at(0)\nprint('so far so good')\ncrash()\n",
    "exits": "import os\nprint('bye')\nos._exit(3)\n",
    "killed": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "terminated": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n",
    "fills": """import torch
many = []
def fill():
    many.append(torch.ones(5 << 20))
while True:
    fill()
""",
    "huge": "import torch\ntorch.empty(100 << 30).fill_(1)\n",
    "python": "held = bytearray(400 << 30)\n",
    "together": """import subprocess, sys
fill = 'import time; held = bytearray(300 << 20); time.sleep(100)'
many = [subprocess.Popen([sys.executable, '-c', fill]) for _ in range(3)]
many[0].wait()
""",
    "alone": f"{LEAVING['session']}import os\nos.kill(os.getppid(), 9)\nos.abort()\n",
    "raises": "print('\x1b[31mred\x1b[0m \x07')\nraise ValueError('no')\n",
    "late": f"import atexit, ctypes\natexit.register(ctypes.string_at, 0)\n{BACKWARD}",
}
LIKE_TRACE = {
    "state": """import atexit, json, multiprocessing, os, random, signal, sys, threading
import torch
atexit.register(print, "exit function")
print(json.dumps({
    "argv": sys.argv, "path": sys.path[0], "cwd": os.getcwd(), "stdin": sys.stdin.read(),
    "main": sys.modules["__main__"].__dict__ is globals(), "name": __name__,
    "threads": [each.name for each in threading.enumerate()],
    "processes": [multiprocessing.current_process().name, str(multiprocessing.parent_process())],
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "signals": [each.name for each in signal.Signals if signal.getsignal(each) not in
                (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)],
    "descriptors": sorted(int(each) for each in os.listdir("/dev/fd"))[:4],
    "leads": os.getsid(0) == os.getpgrp() == os.getpid(),
    "seeds": [random.random(), torch.initial_seed()],
    "modules": "torch._inductor" in sys.modules and "TORCHINDUCTOR_CACHE_DIR" in os.environ,
}))
sys.exit(7)
""",
    "again": "import random, torch\nprint(random.random(), torch.initial_seed())\n",
    "loader": """import torch
from torch.utils.data import DataLoader, TensorDataset
layer = torch.nn.Linear(3, 1)
if __name__ == "__main__":
    for (batch,) in DataLoader(TensorDataset(torch.randn(4, 3)), batch_size=2, num_workers=1):
        layer(batch).sum().backward()
""",
    "processes": """import multiprocessing
def square(number):
    return number * number
if __name__ == "__main__":
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(1) as pool:
            print(pool.map(square, [3]))
""",
}
