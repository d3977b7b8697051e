"""What an autonomous node would need of machines that may be out of reach. Pure."""
