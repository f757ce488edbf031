"""The process around the assistant: command line, window, server. It knows one door of `assistant`: `create_app`."""
