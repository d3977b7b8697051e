#!/bin/sh
# A message goes out and comes back. Saturn runs this in `verify`, with this very project chosen for compose.
set -eu

docker compose exec -T mosquitto sh -c '
  mosquitto_pub -u homelab -P "$MQTT_PASSWORD" -t saturn/verify -m well -r
  mosquitto_sub -u homelab -P "$MQTT_PASSWORD" -t saturn/verify -C 1 -W 5
' | grep -qx well
