"""What several test folders share: doubles, builders and the fleet of real hosts. Nothing here is a test."""
