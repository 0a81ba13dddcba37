"""What is wrong with manifests before they are applied. Pure but for files.py; the command line prints."""
