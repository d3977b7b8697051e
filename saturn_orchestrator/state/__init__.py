"""What is known of a run: one state a host, moved only by events. Pure: no clock, no I/O."""
