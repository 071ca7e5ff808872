"""Tables: the kinds of their columns, the meaning of their cells, and rows of numbers made of them.

A format gives a `Table`: names of columns, and blocks of cells as text. From there on all formats
are one: `facts` learns what each column holds, `meaning` decides what it is and lists everything
that cannot be decided, `encoding` turns blocks of cells into rows. This is the only room that
imports pyarrow, and only when a table is read.
"""
