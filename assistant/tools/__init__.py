"""What a model can have done: tools, built in, the person's own or of a server, all as one kind of value.

`tool` makes one from a typed function. A tool knows no page and no database: what it works with is handed to it.
"""
