"""Tools of the book's makers. Nothing here is needed to read or to run a notebook."""
