"""MCP servers: programs and addresses of others that offer tools, prompts and texts.

Nothing here loads the `mcp` library before a server is started: only `wire` imports it, and `session` imports that
late.
"""
