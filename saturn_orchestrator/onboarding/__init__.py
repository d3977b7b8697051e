"""From "I can log in there" to "a deploy can begin": what a machine has, what it lacks, how it gets it. Pure."""
