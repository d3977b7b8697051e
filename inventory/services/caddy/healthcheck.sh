#!/bin/sh
# The configuration in the checkout is one that Caddy accepts, and its admin endpoint answers.
set -eu

docker compose exec -T caddy caddy validate --config /etc/caddy/Caddyfile
docker compose exec -T caddy wget -q -O /dev/null http://127.0.0.1:2019/config/
