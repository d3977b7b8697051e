#!/bin/sh
# The service is well when this exits 0. Saturn runs it in `verify` until it does or healthcheck.timeout_s is over.
set -eu

python3 -c 'import urllib.request; urllib.request.urlopen("http://127.0.0.1:8000", timeout=5).close()'
