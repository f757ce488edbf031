"""Chats on their way in and out: our own format, other programs' exports, Markdown, and a page to read and print.

`importer` finds out what a file is and brings it in; `exporter` writes. Each format has a room of its own that turns
outside data into `Brought`, and raises Unreadable for what it cannot take.
"""
