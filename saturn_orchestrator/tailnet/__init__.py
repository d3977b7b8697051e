"""What the tailnet knows of a host: its addresses, whether it is online, by which path, with which host keys.

model      what is known, as plain values, and which peer an address means (pure)
document   `tailscale status --json` to those values; nothing in it can raise (pure)
trouble    why there is no tailnet to speak of, in words, with the next command (pure)
daemon     asking tailscaled: its status, a ping, a connection through it
book       the address book of one command: asked once, when the first host needs it
"""
