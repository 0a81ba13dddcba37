"""The command line. Thin: it reads words, calls what knows, and prints."""
