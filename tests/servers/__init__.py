"""Real servers of others, each in a process or an environment of its own."""
