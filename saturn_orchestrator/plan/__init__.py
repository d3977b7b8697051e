"""What a run would do to each host: pure data from topology and facts. No I/O lives here."""
