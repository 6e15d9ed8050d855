#!/usr/bin/env bash
# segments-ai 1.33.0: load_label_bitmap_from_url(url, save_filename) reads a 24-bit label bitmap, but cannot store it as the
# PNG that SegmentsDataset caches ("cannot write mode I as PNG", Pillow 12 and 13); without save_filename it works.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q segments-ai==1.33.0
cd "$folder"
venv/bin/python - <<'PYTHON'
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from threading import Thread

import numpy as np
import PIL
from segments.utils import bitmap2file, load_label_bitmap_from_url

bitmap = np.array([[0, 1], [2, 70000]], np.uint32)
open("label.png", "wb").write(bitmap2file(bitmap).read())
server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory="."))
Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/label.png"
print("segments-ai", version("segments-ai"), "Pillow", PIL.__version__)
read = load_label_bitmap_from_url(url)
print("read:", read.tolist(), "equal:", np.array_equal(read, bitmap))
try:
    load_label_bitmap_from_url(url, "cached.png")
    failed = False
except OSError as err:
    print("stored:", err)
    failed = True
raise SystemExit(not (np.array_equal(read, bitmap) and failed))
PYTHON
