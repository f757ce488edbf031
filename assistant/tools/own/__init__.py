"""The person's own functions: files of theirs whose source they have seen and allowed, run in a process beside ours."""
