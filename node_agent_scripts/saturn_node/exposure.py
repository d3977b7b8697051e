"""Who could reach a service by what it publishes. Pure."""
