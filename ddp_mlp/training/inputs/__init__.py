"""The rows of a run or a model: files and tables opened, what was understood of them, and their memory."""
