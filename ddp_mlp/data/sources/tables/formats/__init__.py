"""Tables of other formats: each a module that returns a `Table`."""
