"""The same steps in other frameworks, each in its fastest idiomatic form, each in a process of its own."""
