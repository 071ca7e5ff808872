"""Tables as text: how it is encoded and written, the names of its columns, and its cells block by block."""
